//! The faults, and what they apply to.

use std::time::Duration;

use tests::network::LinkFault;
use tests::proxy::Direction;

/// A fault, and when it begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) at: Duration,
    pub(crate) fault: Fault,
}

/// Times are how long a fault lasts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// SIGKILL, and a start without data. With a key: right after a client began to work under its
    /// lock.
    Restart {
        nodes: Vec<usize>,
        down: Duration,
        inside: Option<&'static str>,
    },
    /// SIGSTOP of nodes.
    Hang { nodes: Vec<usize>, lasts: Duration },
    /// SIGSTOP of a client.
    Pause { target: Target, lasts: Duration },
    /// SIGKILL of a client. Another one takes its place.
    Kill { target: Target },
    /// Proxies between some clients and some nodes.
    Proxy {
        slots: Vec<usize>,
        nodes: Vec<usize>,
        fault: ProxyFault,
        lasts: Duration,
    },
    /// Links of the network between some clients and some nodes.
    Network(NetworkFault),
    /// FLUSHALL.
    Flush { nodes: Vec<usize> },
    /// SCRIPT FLUSH on all nodes.
    FlushScripts,
}

/// Which client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    Slot(usize),
    /// The client that works under the lock of this key when the fault begins.
    Holder(&'static str),
}

/// What proxies do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ProxyFault {
    Delay(Duration),
    /// Requests arrive, replies are lost.
    LoseReplies,
    LoseRequests,
    /// Everything is held, and then arrives at once.
    Hold,
    /// Connections are reset.
    Reset,
    /// Connections are reset, and new ones as well.
    Refuse,
    /// Requests are held, the client is disconnected and connects again, and only then they arrive.
    LateAfterReset,
}

/// What links of the network do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NetworkFault {
    pub(crate) kind: NetworkKind,
    pub(crate) clients: Clients,
    pub(crate) nodes: Vec<usize>,
    pub(crate) directions: Vec<Direction>,
    pub(crate) link: LinkFault,
    pub(crate) lasts: Duration,
}

/// Which clients with a host of their own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Clients {
    Slots(Vec<usize>),
    /// The one that works under the slow lock when the fault begins.
    Holder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NetworkKind {
    Loss,
    Delay,
    CutRequests,
    CutReplies,
    /// Both directions, for longer than the ttl.
    Partition,
    /// A holder and a majority of the nodes, in one direction or both, for longer than the ttl.
    PartitionHolder,
}

impl Fault {
    /// The name in the report.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Restart { nodes, .. } => match nodes.len() {
                1 => "restart one node empty",
                5 => "restart all nodes empty",
                _ => "restart a majority empty",
            },
            Self::Hang { nodes, .. } if nodes.len() > 2 => "hang a majority",
            Self::Hang { .. } => "hang one node or two",
            Self::Flush { nodes } if nodes.len() > 1 => "FLUSHALL on all nodes",
            Self::Flush { .. } => "FLUSHALL on one node",
            Self::FlushScripts => "SCRIPT FLUSH",
            Self::Pause { .. } => "pause a client",
            Self::Kill { .. } => "kill a client",
            Self::Proxy { fault, .. } => match fault {
                ProxyFault::Delay(_) => "proxy: delay",
                ProxyFault::LoseReplies => "proxy: replies lost",
                ProxyFault::LoseRequests => "proxy: requests lost",
                ProxyFault::Hold => "proxy: stalled",
                ProxyFault::Reset => "proxy: reset",
                ProxyFault::Refuse => "proxy: refused",
                ProxyFault::LateAfterReset => "proxy: late after a reset",
            },
            Self::Network(fault) => match fault.kind {
                NetworkKind::Loss => "network: packet loss",
                NetworkKind::Delay => "network: delay",
                NetworkKind::CutRequests => "network: requests cut",
                NetworkKind::CutReplies => "network: replies cut",
                NetworkKind::Partition => "network: partition longer than the ttl",
                NetworkKind::PartitionHolder => "network: holder cut off for longer than the ttl",
            },
        }
    }
}
