//! The ways to a server: TCP, TLS, or a unix socket.

use std::{io, time::Duration};

use redis::ConnectionAddr;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use super::certificates::Certificates;
use crate::node::{Fault, FaultKind};

/// After this long without traffic, and then this often, the system sees whether the other end is there. Shorter than
/// the patience of middleboxes with a quiet connection.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    windows
))]
const KEEP_ALIVE_AGAIN: Duration = Duration::from_secs(10);

/// Bytes there and back.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// Connects to `address`. Takes as long as it takes: the time-out is the caller's.
pub(super) async fn connect(
    address: &ConnectionAddr,
    certificates: &Certificates,
) -> Result<Box<dyn Socket>, Fault> {
    match address {
        ConnectionAddr::Tcp(host, port) => Ok(Box::new(tcp(host, *port).await?)),
        #[cfg(feature = "tls")]
        ConnectionAddr::TcpTls {
            host,
            port,
            insecure: false,
            ..
        } => {
            let stream = tcp(host, *port).await?;
            Ok(Box::new(certificates.secure(host, stream).await?))
        }
        #[cfg(unix)]
        ConnectionAddr::Unix(path) => {
            let stream = tokio::net::UnixStream::connect(path).await;
            Ok(Box::new(stream.map_err(|error| unreachable(&error))?))
        }
        _ => {
            #[cfg(not(feature = "tls"))]
            let _ = certificates;
            Err(Fault::untouched(
                FaultKind::Other,
                format!("there is no way to `{address}` here"),
            ))
        }
    }
}

async fn tcp(host: &str, port: u16) -> Result<TcpStream, Fault> {
    let stream = TcpStream::connect((host, port))
        .await
        .map_err(|error| unreachable(&error))?;
    // What is sent is small, whole, and waited for.
    stream
        .set_nodelay(true)
        .map_err(|error| unreachable(&error))?;
    let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE);
    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        target_vendor = "apple",
        windows
    ))]
    let keep_alive = keep_alive.with_interval(KEEP_ALIVE_AGAIN);
    // A system that will not has one safeguard less: quiet connections are tried with a PING too.
    let _ = SockRef::from(&stream).set_tcp_keepalive(&keep_alive);
    Ok(stream)
}

fn unreachable(error: &io::Error) -> Fault {
    Fault::untouched(FaultKind::Unreachable, text(error))
}

/// What went wrong, without the system's number for it.
pub(super) fn text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" (os error ") {
        Some((text, _)) => text.to_owned(),
        None => text,
    }
}
