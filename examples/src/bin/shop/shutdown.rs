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
    tokio::spawn(async move {
        signal().await;
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

async fn signal() {
    // If a handler cannot be installed, the signal ends the process, as by default.
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}
