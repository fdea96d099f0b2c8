//! What the nemesis can do, and to whom.

use std::time::Duration;

/// One fault, and when it begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) at: Duration,
    pub(crate) fault: Fault,
}

/// What is done. Times are how long it lasts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// SIGKILL, and back with nothing in memory. With a key: right after somebody has begun to work under its lock.
    Restart {
        nodes: Vec<usize>,
        down: Duration,
        inside: Option<&'static str>,
    },
    /// SIGSTOP of nodes.
    Hang { nodes: Vec<usize>, lasts: Duration },
    /// SIGSTOP of a client.
    Freeze { who: Victim, lasts: Duration },
    /// SIGKILL of a client; another one takes its place.
    Murder { who: Victim },
    /// The network between some clients and some nodes.
    Net {
        slots: Vec<usize>,
        nodes: Vec<usize>,
        trouble: Trouble,
        lasts: Duration,
    },
    /// FLUSHALL.
    Flush { nodes: Vec<usize> },
    /// SCRIPT FLUSH on all nodes.
    FlushScripts,
}

/// Which client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Victim {
    Slot(usize),
    /// Whoever works under the lock of this key then.
    Holder(&'static str),
}

/// What the proxies do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Trouble {
    Slow(Duration),
    /// Requests arrive, replies vanish.
    NoReplies,
    /// Requests vanish.
    NoRequests,
    /// Everything waits, then arrives at once.
    Held,
    /// Connections are reset.
    Cut,
    /// Connections are reset, and new ones too.
    Refused,
    /// Requests are held, the client is cut off and connects again, and only then they arrive.
    Ghosts,
}
