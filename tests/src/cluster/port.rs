//! A loopback port that stays reserved while its server is down.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A free port, held by a socket that is bound but never listens.
///
/// Linux lets a server with `SO_REUSEADDR` listen beside such a socket, refuses connections while
/// none does, and gives the port to no other process, for example to another test while this node
/// is down. Elsewhere the port is only likely to stay free.
#[derive(Debug)]
pub(super) struct Port {
    number: u16,
    #[cfg(target_os = "linux")]
    _held: TcpSocket,
}

impl Port {
    pub(super) fn reserve() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        Ok(Self {
            number: socket.local_addr()?.port(),
            #[cfg(target_os = "linux")]
            _held: socket,
        })
    }

    pub(super) fn number(&self) -> u16 {
        self.number
    }
}
