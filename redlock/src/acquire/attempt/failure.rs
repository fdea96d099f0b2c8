//! Why an attempt failed, and what that means for a waiter.

use std::time::Duration;

use crate::{
    error::NodeError,
    fault::FaultKind,
    label::Label,
    quorum::{backoff::Refusal, node_set::quorum},
};

/// Whatever the attempt wrote is being rolled back.
#[derive(Debug)]
pub(in crate::acquire) enum Failure {
    /// Others hold the key, or the votes were split.
    Refused {
        /// After which time a quorum may be free, according to the leases that were seen.
        free_in: Option<Duration>,
        /// The remaining time of the holder; `None` if no holder was seen.
        left: Option<Duration>,
        /// The label of the holder, if a majority of the nodes reported the same holder and it has a label.
        by: Option<Label>,
        /// No other holder was seen on a majority.
        split: bool,
        /// The holder notifies waiters, and a majority of the nodes has our inbox on its waitlist.
        notified: bool,
    },
    /// Nobody holds the key, but it stays busy for the rest of a window.
    CoolingDown { left: Duration },
    /// Too few nodes could vote: how many could, and why each of the others could not.
    NoQuorum { able: usize, errors: Vec<NodeError> },
    /// Granted, but nothing of the validity was left.
    Expired { took: Duration },
    /// A fence was seen that leaves no token below the limit.
    NoToken,
    /// The operating system has no random numbers for an owner.
    NoRandomness,
}

impl Failure {
    pub(in crate::acquire) fn is_refused(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// Whether nodes that did not answer in time could have made a quorum.
    pub(in crate::acquire) fn silent_nodes_could_decide(&self) -> bool {
        let Self::NoQuorum { able, errors } = self else {
            return false;
        };
        let silent = |error: &&NodeError| error.kind() == FaultKind::TimedOut;
        able + errors.iter().filter(silent).count() >= quorum(able + errors.len())
    }

    /// Whether so many nodes refuse for a reason that stays, such as a missing permission, that the others make no quorum.
    pub(in crate::acquire) fn is_lasting(&self) -> bool {
        let Self::NoQuorum { able, errors } = self else {
            return false;
        };
        let nodes = able + errors.len();
        let lasting = errors.iter().filter(|error| error.is_lasting()).count();
        nodes - lasting < quorum(nodes)
    }

    pub(in crate::acquire) fn is_outage(&self) -> bool {
        self.refusal() == Refusal::Outage
    }

    /// Whether further attempts are pointless. Waiting does not help against a cool-down, which refuses every request at once.
    pub(in crate::acquire) fn is_final(&self) -> bool {
        matches!(
            self,
            Self::NoToken | Self::NoRandomness | Self::CoolingDown { .. }
        )
    }

    pub(in crate::acquire) fn refusal(&self) -> Refusal {
        match self {
            Self::NoQuorum { .. } | Self::Expired { .. } | Self::NoToken | Self::NoRandomness => {
                Refusal::Outage
            }
            Self::CoolingDown { left } => Refusal::FreeIn(*left),
            Self::Refused { split: true, .. } => Refusal::Split,
            Self::Refused { free_in, left, .. } => match free_in.or(*left) {
                Some(free) if !free.is_zero() => Refusal::FreeIn(free),
                _ => Refusal::Split,
            },
        }
    }
}

/// Refusals of one kind in a row.
#[derive(Debug)]
pub(in crate::acquire) struct Series {
    pub(in crate::acquire) refusal: Refusal,
    /// From 1.
    pub(in crate::acquire) number: u32,
}

impl Series {
    pub(in crate::acquire) fn next(last: Option<Self>, refusal: Refusal) -> Self {
        let kind = std::mem::discriminant::<Refusal>;
        let number = match last {
            Some(last) if kind(&last.refusal) == kind(&refusal) => last.number.saturating_add(1),
            _ => 1,
        };
        Self { refusal, number }
    }
}
