//! Faults: why a node did not vote.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

/// The class of a node's fault. The text beside it has the details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// No connection: refused, reset, unknown host, or down since then. Or a Redis Cluster has lost the server of the key's slot,
    /// or a majority of its masters (`CLUSTERDOWN`).
    Unreachable,
    /// No answer within the node time-out.
    TimedOut,
    /// Too many operations wait for this node.
    Backlog,
    /// The password or the user was refused (`NOAUTH`, `WRONGPASS`), or is missing (`DENIED`).
    Authentication,
    /// The server has reached its limit of clients (`maxclients`).
    TooManyClients,
    /// The server does not know a command that is needed: it is older than Redis 6.2, or a proxy
    /// that supports few commands.
    Unsupported,
    /// The user lacks a permission (`NOPERM`).
    Permission,
    /// The node is a replica, or became one (`READONLY`, `MASTERDOWN`).
    ReadOnly,
    /// The server belongs to a Redis Cluster, and another server has the key's slot, or is being given it (`MOVED`, `ASK`,
    /// `TRYAGAIN`): write the node's address as `redis+cluster://`.
    Moved,
    /// The node is loading its data (`LOADING`).
    Loading,
    /// The node refuses writes because it cannot persist them (`MISCONF`) or has too few replicas
    /// (`NOREPLICAS`).
    Misconfigured,
    /// The node's memory is full (`OOM`).
    OutOfMemory,
    /// The key, or its fence, holds a value of another type than ours (`WRONGTYPE`).
    WrongType,
    /// The key has no expiry, so no lock client wrote it.
    NoExpiry,
    /// The fence is not a number, or is larger than any token.
    BadFence,
    /// The node restarted and may have forgotten locks, so it has no vote for a while.
    Quarantined,
    /// Other clients of the node use another `max_ttl`, under the strict restart guard.
    OtherMaxTtl,
    /// The node serves clients with other lists of nodes, and a majority of theirs need not share a
    /// node with a majority of ours. Or the node has not accepted our list yet.
    OtherNodes,
    /// The server reports no `run_id`, which the strict restart guard needs.
    NoRunId,
    /// The same server is listed under another address.
    SameServer,
    /// The node does not know a script that it was just given.
    NoScript,
    /// The node's answer was not understood, or it was another error.
    Other,
}

/// A node's fault. Its text is logged, so it contains neither the key nor any value of the user.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) text: Cow<'static, str>,
    /// Follows the text in an error, and names the key.
    pub(crate) names: Option<Arc<str>>,
    /// The node certainly did not carry out the command, and never will.
    pub(crate) untouched: bool,
    /// After this time the node votes again, if that is known.
    pub(crate) votes_in: Option<Duration>,
    /// It stays until somebody changes the node or the client, so it is not waited for.
    pub(crate) lasting: bool,
}

impl FaultKind {
    /// Whether such faults stay until somebody changes the node or the client. Foreign data under a key may expire or be
    /// deleted, so a request waits for that.
    fn is_lasting(self) -> bool {
        matches!(
            self,
            Self::Authentication | Self::Permission | Self::Unsupported | Self::NoRunId
        )
    }
}

impl Fault {
    /// Whether a retry is useless: the key is wrong, or the client lacks a permission.
    pub(crate) fn is_final(&self) -> bool {
        matches!(
            self.kind,
            FaultKind::WrongType
                | FaultKind::NoExpiry
                | FaultKind::BadFence
                | FaultKind::Permission
                | FaultKind::OtherMaxTtl
                | FaultKind::SameServer
        )
    }

    /// The command may have been carried out, or may still be.
    pub(crate) fn unknown(kind: FaultKind, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            text: text.into(),
            names: None,
            untouched: false,
            votes_in: None,
            lasting: kind.is_lasting(),
        }
    }

    /// The runtime of the connections has ended.
    pub(crate) fn no_runtime() -> Self {
        Self::unknown(FaultKind::Unreachable, "no runtime drives connections")
    }

    /// The command was carried out, but the node has no vote for this long.
    pub(crate) fn quarantined(left: Duration) -> Self {
        Self::without_vote(
            FaultKind::Quarantined,
            left,
            format!(
                "started recently and may have forgotten locks: no vote for another {} s",
                left.as_secs() + 1
            ),
        )
    }

    /// The command may have been carried out, and the node has no vote for at most `left`.
    pub(crate) fn without_vote(kind: FaultKind, left: Duration, text: String) -> Self {
        Self {
            // Whole milliseconds: not before it votes.
            votes_in: Some(Duration::from_millis(
                u64::try_from(left.as_millis())
                    .unwrap_or(u64::MAX)
                    .saturating_add(1),
            )),
            ..Self::unknown(kind, text)
        }
    }

    /// The command was carried out, but its slot has no vote for this long.
    #[cfg(feature = "cluster")]
    pub(crate) fn moved(slot: u16, left: Duration) -> Self {
        Self::without_vote(
            FaultKind::Quarantined,
            left,
            format!(
                "slot {slot} moved to it lately, and it may not know the locks there: no vote for another {} s",
                left.as_secs() + 1
            ),
        )
    }

    /// The same fault, of a command that was not carried out and never will be (`untouched`), or may have been.
    pub(crate) fn with_outcome(self, untouched: bool) -> Self {
        Self { untouched, ..self }
    }

    /// The command was not carried out and never will be.
    pub(crate) fn untouched(kind: FaultKind, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            text: text.into(),
            names: None,
            untouched: true,
            votes_in: None,
            lasting: kind.is_lasting(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
