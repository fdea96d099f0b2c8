//! Graceful shutdown: after a signal no new requests are accepted, and running ones have a limited time to finish.

use std::time::Duration;

use examples::say;
use tokio_util::sync::CancellationToken;

/// An order takes half a second, and waits at most ten seconds for its lock. A request that runs longer is stuck.
const PATIENCE: Duration = Duration::from_secs(12);

/// Cancelled at the first Ctrl-C or SIGTERM.
pub(crate) fn on_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let told = stop.clone();
    let signal = signal();
    tokio::spawn(async move {
        signal.await;
        say("stopping: finishing the requests under way, releasing the locks");
        told.cancel();
    });
    stop
}

/// Ends a while after `stop`, or at a second signal.
pub(crate) async fn patience(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::select! {
        () = tokio::time::sleep(PATIENCE) => {}
        () = signal() => {}
    }
}

/// The handlers are installed at once, not at the first poll: a signal in between would end the process.
#[cfg(unix)]
fn signal() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = signal(SignalKind::interrupt());
    let terminate = signal(SignalKind::terminate());
    async {
        tokio::select! {
            () = received(interrupt) => {}
            () = received(terminate) => {}
        }
    }
}

/// Never, if the handler could not be installed: then the signal ends the process, as by default.
#[cfg(unix)]
async fn received(signal: std::io::Result<tokio::signal::unix::Signal>) {
    match signal {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn signal() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
