//! Where a node is: an address of a server, or a node in memory.

use std::fmt;

use super::{
    memory,
    redis::{Certificates, Target},
};
use crate::error::Error;

/// Where a node is. Made from a URL or from a [`memory::Node`].
///
/// | URL | |
/// |---|---|
/// | `redis://host:6379` | TCP; `redis://user:password@host:6379/2` with a user and a database |
/// | `rediss://host:6379` | TLS, with feature `tls` |
/// | `unix:///run/redis.sock` | a unix socket; `?db=2&user=..&pass=..` |
/// | `redis+cluster://host:6379,host2:6379` | a Redis Cluster as one node, with feature `cluster`; `rediss+cluster://` |
/// | `redis+sentinel://host:26379,host2:26379/master` | the master that sentinels name, with feature `sentinel`; `/master/2` for a database |
#[derive(Clone)]
pub struct NodeAddress(Given);

#[derive(Clone)]
enum Given {
    Url(String),
    Memory(memory::Node),
}

impl NodeAddress {
    /// Parses what was given; the error names it.
    pub(crate) fn place(&self, certificates: &Certificates) -> Result<Place, Error> {
        match &self.0 {
            Given::Url(url) => {
                Target::parse(url, certificates).map(|target| Place::Redis(Box::new(target)))
            }
            Given::Memory(node) => Ok(Place::Memory(node.clone())),
        }
    }
}

impl fmt::Debug for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            // A URL may hold a password.
            Given::Url(url) => match Target::parse(url, &Certificates::default()) {
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

/// A parsed address.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Redis(Box<Target>),
    Memory(memory::Node),
}

impl Place {
    /// How the node is called in errors, logs and reports: without a password.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Redis(target) => target.name(),
            Self::Memory(node) => node.name(),
        }
    }

    /// Equal for places that are surely the same.
    pub(crate) fn identity(&self) -> String {
        match self {
            Self::Redis(target) => target.identity(),
            Self::Memory(node) => node.identity(),
        }
    }

    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self, Self::Redis(target) if target.is_cluster())
    }

    pub(crate) fn is_sentinel(&self) -> bool {
        matches!(self, Self::Redis(target) if target.is_sentinel())
    }

    pub(crate) fn is_memory(&self) -> bool {
        self.memory().is_some()
    }

    pub(crate) fn memory(&self) -> Option<&memory::Node> {
        match self {
            Self::Memory(node) => Some(node),
            Self::Redis(_) => None,
        }
    }
}
