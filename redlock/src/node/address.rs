//! The address of a node: a URL, or a node in memory.

use std::fmt;

use super::redis::{Access, CredentialsProvider, Target, Wrong};
use crate::memory;

/// The address of a node. Made from a URL, from a client or connection info of the `redis` crate (version 1), or from a
/// [`memory::Node`].
///
/// | URL | |
/// |---|---|
/// | `redis://host:6379` | TCP; `redis://user:password@host:6379/2` with a user and a database |
/// | `rediss://host:6379` | TLS, with feature `tls` |
/// | `unix:///run/redis.sock` | a unix socket; `?db=2&user=..&pass=..` |
/// | `redis+cluster://host:6379,host2:6379` | a Redis Cluster as one node, with feature `cluster`; `rediss+cluster://` |
/// | `redis+sentinel://host:26379,host2:26379/master` | the master that sentinels name, with feature `sentinel`; `/master/2` for a database, `rediss+sentinel://` for TLS to both |
///
/// `valkey` may be written instead of `redis`. In users and passwords, characters with a meaning in
/// URLs have to be percent-encoded: `/` as `%2F`, `@` as `%40`.
/// [`Builder::password`](crate::Builder::password) takes a password as it is. A user without a
/// password logs in with an empty one.
///
/// In an address of sentinels, the login before the hosts is the master's. The sentinels' own is
/// `?sentinel_username=..&sentinel_password=..`, or `Builder::sentinel_password`.
/// `?sentinel_tls=true` or `false` overrides whether sentinels are reached over TLS; by default it is as for the master.
///
/// Of a client of the `redis` crate, the address, login and database are used. Its protocol, TCP settings and library name are
/// ignored, because this client needs version 3 of the protocol. A client with certificates is an error, because that crate does
/// not reveal them, and so is one that accepts any certificate.
///
/// `Debug` shows the address without its login, and nothing of an address that cannot be parsed.
#[derive(Clone)]
pub struct NodeAddress {
    given: Given,
    credentials: Option<CredentialsProvider>,
}

#[derive(Clone)]
enum Given {
    Url(String),
    Info(Box<::redis::ConnectionInfo>),
    Memory(memory::Node),
    #[cfg(feature = "cluster")]
    Cluster(memory::RedisCluster),
}

impl NodeAddress {
    /// Takes the login of this node from a provider, instead of that of
    /// [`Builder::credentials`](crate::Builder::credentials). The address must not contain a login. Has no effect for a node in memory.
    ///
    /// # Examples
    /// ```no_run
    /// use redlock::{Credentials, CredentialsProvider, NodeAddress, Redlock};
    /// use tokio::sync::watch;
    ///
    /// # async fn example() -> Result<(), redlock::Error> {
    /// let (rotate, passwords) = watch::channel(Credentials::new("locker", "first"));
    /// let provider = CredentialsProvider::watch(passwords);
    /// let managed = NodeAddress::from("rediss://a:6379").credentials(provider);
    /// let nodes = Redlock::builder().node(managed).node("redis://b:6379").node("redis://c:6379");
    /// let redlock = nodes.connect().await?;
    /// // Later, when the server accepts the next one as well:
    /// rotate.send_replace(Credentials::new("locker", "second"));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn credentials(mut self, provider: CredentialsProvider) -> Self {
        self.credentials = Some(provider);
        self
    }

    /// Parses the address. The error says what is wrong and contains no part of the address.
    pub(crate) fn target(&self, access: &Access) -> Result<Target, Wrong> {
        let own = self.credentials.as_ref();
        match &self.given {
            Given::Url(url) => Target::parse(url, access, own),
            Given::Info(info) => Target::of(info, access, own),
            Given::Memory(node) => Ok(Target::in_memory(node, access)),
            #[cfg(feature = "cluster")]
            Given::Cluster(cluster) => Ok(Target::cluster_in_memory(cluster, access)),
        }
    }
}

impl From<Given> for NodeAddress {
    fn from(given: Given) -> Self {
        Self {
            given,
            credentials: None,
        }
    }
}

impl fmt::Debug for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.given, self.target(&Access::default())) {
            (Given::Memory(node), _) => node.fmt(f),
            (_, Ok(target)) => f.write_str(target.name()),
            (_, Err(_)) => f.write_str("(not an address of a node)"),
        }
    }
}

impl From<&str> for NodeAddress {
    fn from(url: &str) -> Self {
        Given::Url(url.to_owned()).into()
    }
}

impl From<String> for NodeAddress {
    fn from(url: String) -> Self {
        Given::Url(url).into()
    }
}

impl From<&String> for NodeAddress {
    fn from(url: &String) -> Self {
        Given::Url(url.clone()).into()
    }
}

impl From<::redis::ConnectionInfo> for NodeAddress {
    fn from(info: ::redis::ConnectionInfo) -> Self {
        Given::Info(Box::new(info)).into()
    }
}

impl From<&::redis::ConnectionInfo> for NodeAddress {
    fn from(info: &::redis::ConnectionInfo) -> Self {
        info.clone().into()
    }
}

impl From<::redis::Client> for NodeAddress {
    fn from(client: ::redis::Client) -> Self {
        client.get_connection_info().into()
    }
}

impl From<&::redis::Client> for NodeAddress {
    fn from(client: &::redis::Client) -> Self {
        client.get_connection_info().into()
    }
}

impl From<memory::Node> for NodeAddress {
    fn from(node: memory::Node) -> Self {
        Given::Memory(node).into()
    }
}

#[cfg(feature = "cluster")]
impl From<memory::RedisCluster> for NodeAddress {
    fn from(cluster: memory::RedisCluster) -> Self {
        Given::Cluster(cluster).into()
    }
}

#[cfg(feature = "cluster")]
impl From<&memory::RedisCluster> for NodeAddress {
    fn from(cluster: &memory::RedisCluster) -> Self {
        Given::Cluster(cluster.clone()).into()
    }
}

impl From<&memory::Node> for NodeAddress {
    fn from(node: &memory::Node) -> Self {
        Given::Memory(node.clone()).into()
    }
}
