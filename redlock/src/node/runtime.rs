//! Whether a runtime can do what connections and waits need.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use futures_util::FutureExt as _;
use socket2::{Domain, Socket, Type};
use tokio::{runtime::Handle, time::Sleep};

/// Whether the runtime that this is called in has timers, and readiness of sockets where those are needed.
///
/// Tokio has no way to ask but a panic. It is caught, so that a runtime which was built without them gives an error, and
/// asked for once for each runtime.
pub(crate) fn is_able(sockets: bool) -> bool {
    let registers = || catch_unwind(|| drop(register())).is_ok();
    sleep(Duration::ZERO).is_some() && (!sockets || registers())
}

/// As tokio's `sleep`, where there are timers.
pub(crate) fn sleep(time: Duration) -> Option<Sleep> {
    Handle::try_current().ok()?;
    catch_unwind(AssertUnwindSafe(|| tokio::time::sleep(time))).ok()
}

/// As tokio's `timeout`; where there are no timers, the future has one look.
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

/// A socket that nothing is sent by. Where there is none to be had, connecting will say so.
fn register() -> io::Result<tokio::net::UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    tokio::net::UdpSocket::from_std(socket.into())
}
