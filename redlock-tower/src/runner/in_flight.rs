//! Counts the work that outlives its client, so that a shutdown can wait for it.

use std::fmt;
use tokio::sync::watch;

/// Counts the requests of one or more layers that a server does not wait for when it shuts down: those whose handlers run
/// [to their end](crate::OnDisconnect::Finish), and whose responses are still being recorded.
///
/// Pass it to [`RedlockLayer::in_flight`](crate::RedlockLayer::in_flight). Clones count together.
///
/// ```
/// use axum::{Router, routing::post};
/// use redlock::{Redlock, memory::Nodes};
/// use redlock_tower::{InFlight, OnDisconnect, RedlockLayer, key};
/// use std::time::Duration;
/// use tokio::{net::TcpListener, time::timeout};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
/// let in_flight = InFlight::new();
/// let layer = RedlockLayer::new(redlock.clone(), key::header("x-user-id"))
///     .on_disconnect(OnDisconnect::Finish)
///     .in_flight(&in_flight);
/// let app = Router::new().route("/orders", post(async || "ordered")).layer(layer);
///
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// # let stop = async {};
/// // Handlers whose clients wait.
/// axum::serve(listener, app).with_graceful_shutdown(stop).await?;
/// if timeout(Duration::from_secs(30), in_flight.finished()).await.is_err() {
///     eprintln!("{} requests are still running", in_flight.count());
/// }
/// redlock.close().await; // releases
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct InFlight(watch::Sender<usize>);

impl InFlight {
    /// Counts nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    /// How many run now.
    #[must_use]
    pub fn count(&self) -> usize {
        *self.0.borrow()
    }

    /// Resolves when none runs. It does not keep new requests away: stop the server first.
    ///
    /// Cancel safe.
    pub async fn finished(&self) {
        let mut count = self.0.subscribe();
        // The sender is alive: it is in `self`.
        let _ = count.wait_for(|count| *count == 0).await;
    }

    pub(crate) fn enter(&self) -> Running {
        self.0.send_modify(|count| *count += 1);
        Running(self.0.clone())
    }
}

impl Default for InFlight {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight")
            .field("count", &self.count())
            .finish()
    }
}

/// Counts until it is dropped.
pub(crate) struct Running(watch::Sender<usize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
