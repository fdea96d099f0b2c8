//! Where servers are, and their names.

use redis::ConnectionAddr;
#[cfg(feature = "cluster")]
use redis::ConnectionInfo;

#[cfg(feature = "cluster")]
use super::socket::Server;
#[cfg(feature = "cluster")]
use crate::memory;

/// A server of a cluster, and how to log in to it.
#[cfg(feature = "cluster")]
#[derive(Clone)]
pub(super) enum Place {
    At(Box<ConnectionInfo>),
    InMemory(memory::Node),
}

#[cfg(feature = "cluster")]
impl Place {
    pub(super) fn server(&self) -> Server<'_> {
        match self {
            Self::At(info) => Server::At(info),
            Self::InMemory(node) => Server::InMemory(node),
        }
    }

    /// The name as in the map of slots.
    pub(super) fn name(&self) -> String {
        match self {
            Self::At(info) => name(info.addr(), 0),
            Self::InMemory(node) => node.address(),
        }
    }
}

pub(super) fn at(host: &str, port: u16, tls: bool) -> ConnectionAddr {
    match tls {
        true => over_tls(host.to_owned(), port),
        false => ConnectionAddr::Tcp(host.to_owned(), port),
    }
}

fn over_tls(host: String, port: u16) -> ConnectionAddr {
    ConnectionAddr::TcpTls {
        host,
        port,
        insecure: false,
        tls_params: None,
    }
}

/// The name of a server: its address, without the login.
pub(super) fn name(address: &ConnectionAddr, database: i64) -> String {
    let place = match address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            if host.contains(':') {
                format!("[{host}]:{port}")
            } else {
                format!("{host}:{port}")
            }
        }
        ConnectionAddr::Unix(path) => path.display().to_string(),
        _ => "?".to_owned(),
    };
    if database == 0 {
        place
    } else {
        format!("{place}/{database}")
    }
}
