//! The situations that a run has reached. A model that never reaches a situation proves nothing
//! about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A situation that a model can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A round was won.
    Granted,
    /// A round was won after STALE.
    GrantedOnRetry,
    /// Two attempts were granted, one after the other.
    GrantedAgain,
    /// An extension got its majority.
    Extended,
    /// A node wrote the key again for its holder.
    Restored,
    /// A node that was out of memory raised the expiry of a lock, but not its fence.
    FenceNotRaised,
    /// A cool-down got its majority.
    CooledDown,
    /// A duplicated cool-down found its own window.
    CooledDownBefore,
    /// A node lost the lock of its current holder.
    ForgotHolder,
    /// A round was won with the vote of a process that no longer exists.
    GrantedByGoneProcess,
    /// A node carried out an acquire when its attempt had been over for longer than the ttl.
    ArrivedAfterTheTtl,
    /// A node replied to a release or a cool-down with an error.
    Refused,
    /// A release was sent instead of a cool-down that had not arrived.
    CoolDownAsRelease,
    /// A hand-over with a token of the first block.
    Turn,
    /// A hand-over with a token of a further block.
    TurnOnFurtherBlock,
}

/// The situations reached so far. Not a part of the state, so it does not influence the search.
#[derive(Clone, Debug, Default)]
pub(crate) struct Coverage(Arc<AtomicU32>);

impl Coverage {
    pub(crate) fn saw(&self, event: Event) {
        let bit = 1 << event as u32;
        if self.0.load(Ordering::Relaxed) & bit == 0 {
            self.0.fetch_or(bit, Ordering::Relaxed);
        }
    }

    pub(crate) fn has(&self, event: Event) -> bool {
        self.0.load(Ordering::Relaxed) & 1 << event as u32 != 0
    }
}
