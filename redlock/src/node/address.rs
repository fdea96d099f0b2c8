//! Where a node is: an address of a server, or a node in memory.

use std::fmt;

use super::redis::{Access, Target, Wrong};
use crate::memory;

/// Where a node is. Made from a URL or from a [`memory::Node`].
///
/// | URL | |
/// |---|---|
/// | `redis://host:6379` | TCP; `redis://user:password@host:6379/2` with a user and a database |
/// | `rediss://host:6379` | TLS, with feature `tls` |
/// | `unix:///run/redis.sock` | a unix socket; `?db=2&user=..&pass=..` |
/// | `redis+cluster://host:6379,host2:6379` | a Redis Cluster as one node, with feature `cluster`; `rediss+cluster://` |
/// | `redis+sentinel://host:26379,host2:26379/master` | the master that sentinels name, with feature `sentinel`; `/master/2` for a database, `rediss+sentinel://` for TLS to both |
///
/// `valkey` may stand for `redis`. What has a meaning of its own in a URL is percent-encoded in users and passwords: `/`
/// is `%2F`, `@` is `%40`. [`Builder::password`](crate::Builder::password) takes a password as it is. A user without a
/// password is logged in with an empty one.
///
/// The login before sentinels is the master's. `?sentinel_username=..&sentinel_password=..` is theirs, or
/// [`Builder::sentinel_password`](crate::Builder::sentinel_password). `?sentinel_tls=true` or `false` says how sentinels
/// are reached where it is not how the master is.
///
/// `Debug` shows where the node is, without its login, and nothing of an address that cannot be read.
#[derive(Clone)]
pub struct NodeAddress(Given);

#[derive(Clone)]
enum Given {
    Url(String),
    Memory(memory::Node),
}

impl NodeAddress {
    /// Parses what was given; or says what is wrong with it, and shows nothing of it.
    pub(crate) fn target(&self, access: &Access) -> Result<Target, Wrong> {
        match &self.0 {
            Given::Url(url) => Target::parse(url, access),
            Given::Memory(node) => Ok(Target::in_memory(node, access)),
        }
    }
}

impl fmt::Debug for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Given::Url(url) => match Target::parse(url, &Access::default()) {
                Ok(target) => f.write_str(target.name()),
                Err(_) => f.write_str("(not a Redis URL)"),
            },
            Given::Memory(node) => node.fmt(f),
        }
    }
}

impl From<&str> for NodeAddress {
    fn from(url: &str) -> Self {
        Self(Given::Url(url.to_owned()))
    }
}

impl From<String> for NodeAddress {
    fn from(url: String) -> Self {
        Self(Given::Url(url))
    }
}

impl From<&String> for NodeAddress {
    fn from(url: &String) -> Self {
        Self(Given::Url(url.clone()))
    }
}

impl From<memory::Node> for NodeAddress {
    fn from(node: memory::Node) -> Self {
        Self(Given::Memory(node))
    }
}

impl From<&memory::Node> for NodeAddress {
    fn from(node: &memory::Node) -> Self {
        Self(Given::Memory(node.clone()))
    }
}
