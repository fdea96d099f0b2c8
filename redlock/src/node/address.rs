//! The address of a node: a URL, or a node in memory.

use std::fmt;

use super::redis::{Access, Target, Wrong};
use crate::memory;

/// The address of a node. Made from a URL or from a [`memory::Node`].
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
/// `?sentinel_username=..&sentinel_password=..`, or
/// [`Builder::sentinel_password`](crate::Builder::sentinel_password). `?sentinel_tls=true` or
/// `false` overrides whether sentinels are reached over TLS; by default it is as for the master.
///
/// `Debug` shows the address without its login, and nothing of an address that cannot be parsed.
#[derive(Clone)]
pub struct NodeAddress(Given);

#[derive(Clone)]
enum Given {
    Url(String),
    Memory(memory::Node),
}

impl NodeAddress {
    /// Parses the address. The error says what is wrong and contains no part of the address.
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
