//! Single servers: where they are, how to log in to them, and their names.

use redis::{ConnectionAddr, ConnectionInfo};

use super::socket::Server;
use crate::memory;

/// A single server, and how to log in to it.
#[derive(Clone)]
pub(super) enum Endpoint {
    At(Box<ConnectionInfo>),
    InMemory(memory::Node),
}

impl Endpoint {
    pub(super) fn server(&self) -> Server<'_> {
        match self {
            Self::At(info) => Server::At(info),
            Self::InMemory(node) => Server::InMemory(node),
        }
    }

    /// The name as in the map of slots.
    #[cfg(feature = "cluster")]
    pub(super) fn name(&self) -> String {
        match self {
            Self::At(info) => name(info.addr(), 0),
            Self::InMemory(node) => node.address(),
        }
    }

    /// See [`Target::identity`](super::Target::identity).
    pub(super) fn identity(&self) -> String {
        match self {
            Self::At(info) => info.addr().to_string().to_lowercase(),
            Self::InMemory(node) => node.identity(),
        }
    }

    /// The node in memory, if it is one.
    pub(super) fn memory(&self) -> Option<&memory::Node> {
        match self {
            Self::At(_) => None,
            Self::InMemory(node) => Some(node),
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
