//! Whether a runtime has what connections and waits need.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use futures_util::FutureExt as _;
use socket2::{Domain, Socket, Type};
use tokio::{runtime::Handle, time::Sleep};

/// Whether the current runtime has timers and, if needed, sockets.
///
/// Tokio has no way to ask other than a panic. It is caught, once for each runtime, so that a
/// runtime without them leads to an error.
pub(crate) fn is_able(sockets: bool) -> bool {
    let registers = || catch_unwind(|| drop(register())).is_ok();
    sleep(Duration::ZERO).is_some() && (!sockets || registers())
}

/// Tokio's `sleep`. `None` if the runtime has no timers.
pub(crate) fn sleep(time: Duration) -> Option<Sleep> {
    Handle::try_current().ok()?;
    catch_unwind(AssertUnwindSafe(|| tokio::time::sleep(time))).ok()
}

/// Tokio's `timeout`. Without timers, the future is polled once.
pub(crate) async fn timeout<F: Future>(time: Duration, future: F) -> Option<F::Output> {
    let Some(sleep) = sleep(time) else {
        return future.now_or_never();
    };
    tokio::select! {
        biased;
        output = future => Some(output),
        () = sleep => None,
    }
}

/// A socket that sends nothing. If none can be created, connecting reports the error.
fn register() -> io::Result<tokio::net::UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    tokio::net::UdpSocket::from_std(socket.into())
}
