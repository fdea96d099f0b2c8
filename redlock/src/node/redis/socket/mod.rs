//! Transports: byte streams to a server by TCP, TLS, a unix socket, or within the process.

pub(super) mod access;
mod certificates;
mod dial;
mod step;
#[cfg(feature = "tls-no-provider")]
mod tls;

use std::{sync::Arc, time::Duration};

use redis::{ConnectionAddr, ConnectionInfo, RedisConnectionInfo};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

pub(super) use self::step::text;
use self::{
    access::{Access, Login},
    certificates::Certificates,
    step::{raise, step, unreachable},
};
use crate::{
    fault::{Fault, FaultKind},
    label::Label,
    memory,
    node::redis::credentials::{CredentialsProvider, Renewal, Subscription},
};

/// After this long without traffic, and then at the next interval, the system checks whether the
/// other end is alive. Shorter than the idle time-outs of middleboxes.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    windows
))]
const KEEP_ALIVE_AGAIN: Duration = Duration::from_secs(10);

/// A byte stream in both directions.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// A server to connect to.
#[derive(Clone, Copy)]
pub(super) enum Server<'a> {
    At(&'a ConnectionInfo),
    InMemory(&'a memory::Node),
}

impl<'a> Server<'a> {
    /// The address, unless it is in memory.
    pub(super) fn address(self) -> Option<&'a ConnectionAddr> {
        match self {
            Self::At(info) => Some(info.addr()),
            Self::InMemory(_) => None,
        }
    }

    fn settings(self) -> Option<&'a RedisConnectionInfo> {
        match self {
            Self::At(info) => Some(info.redis_settings()),
            Self::InMemory(_) => None,
        }
    }

    /// The login that its address contains.
    fn login(self) -> Login {
        self.settings().map_or_else(Login::default, Login::from)
    }

    pub(super) fn database(self) -> i64 {
        self.settings().map_or(0, RedisConnectionInfo::db)
    }
}

/// Connects to servers.
#[derive(Clone, Debug)]
pub(super) struct Dialer {
    #[cfg_attr(
        not(feature = "tls-no-provider"),
        expect(dead_code, reason = "there is nobody to check")
    )]
    certificates: Certificates,
    /// Instead of the login in an address.
    credentials: Option<Arc<Renewal>>,
    /// The name of the connections.
    pub(super) label: Option<Label>,
    /// The time-out of each step of connecting.
    limit: Duration,
}

impl Dialer {
    pub(super) fn new(access: &Access) -> Self {
        Self {
            certificates: access.certificates.clone(),
            credentials: None,
            label: access.label,
            limit: access.limit,
        }
    }

    /// Logs in to the servers of this node with the credentials of a provider.
    pub(super) fn with_credentials(mut self, node: &str, provider: &CredentialsProvider) -> Self {
        self.credentials = Some(Renewal::new(node, provider));
        self
    }

    /// For servers beside the node, which have a login of their own.
    #[cfg(feature = "sentinel")]
    pub(super) fn without_credentials(&self) -> Self {
        Self {
            credentials: None,
            ..self.clone()
        }
    }

    /// What to log in to `server` with, and what to follow for later credentials.
    pub(super) async fn login(
        &self,
        server: Server<'_>,
    ) -> Result<(Login, Option<Subscription>), Fault> {
        let Some(credentials) = &self.credentials else {
            return Ok((server.login(), None));
        };
        let (first, later) = credentials.begin().await?;
        Ok((Login::from(&first), Some(later)))
    }

    /// Whether the logins come from a provider.
    pub(super) fn has_provider(&self) -> bool {
        self.credentials.is_some()
    }

    /// The server refused this login.
    pub(super) fn refused(&self, login: &Login) {
        if let Some(credentials) = &self.credentials {
            credentials.refused(login.user.as_deref(), login.password());
        }
    }

    /// Connects to `server`.
    pub(super) async fn connect(&self, server: Server<'_>) -> Result<Box<dyn Socket>, Fault> {
        let address = match server {
            Server::At(info) => info.addr(),
            Server::InMemory(node) => return self.in_memory(node).await,
        };
        match address {
            ConnectionAddr::Tcp(host, port) => Ok(Box::new(self.tcp(host, *port).await?)),
            #[cfg(feature = "tls-no-provider")]
            ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                ..
            } => {
                let stream = self.tcp(host, *port).await?;
                let secured = self.certificates.secure(host, stream, self.limit).await?;
                Ok(Box::new(secured))
            }
            #[cfg(unix)]
            ConnectionAddr::Unix(path) => {
                let late = || format!("no connection {}", raise(self.limit));
                let connected = step(self.limit, late, async {
                    let stream = tokio::net::UnixStream::connect(path).await;
                    stream.map_err(|error| unreachable(&error))
                });
                Ok(Box::new(connected.await?))
            }
            _ => Err(Fault::untouched(
                FaultKind::Other,
                format!("there is no way to `{address}` here"),
            )),
        }
    }

    async fn in_memory(&self, node: &memory::Node) -> Result<Box<dyn Socket>, Fault> {
        let late = || format!("no connection {}", raise(self.limit));
        let connected = step(self.limit, late, async {
            node.connect().await.map_err(|error| unreachable(&error))
        });
        Ok(Box::new(connected.await?))
    }

    async fn tcp(&self, host: &str, port: u16) -> Result<TcpStream, Fault> {
        let stream = dial::tcp(host, port, self.limit).await?;
        // Requests are small, complete, and waited for.
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
        // If the system refuses, quiet connections are still tested by a PING.
        let _ = SockRef::from(&stream).set_tcp_keepalive(&keep_alive);
        Ok(stream)
    }

    /// Waits for the replies to the first commands on a connection.
    pub(super) async fn handshake<T>(
        &self,
        greeting: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let late = || format!("no answer to the first commands {}", raise(self.limit));
        step(self.limit, late, greeting).await
    }
}
