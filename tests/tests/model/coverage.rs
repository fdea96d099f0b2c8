//! What a run has met: a model that never reaches a situation proves nothing about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A situation that a model can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A round won.
    Granted,
    /// A round won after STALE.
    GrantedOnRetry,
    /// Two attempts were granted, one after the other.
    GrantedAgain,
    /// An extension had its majority.
    Extended,
    /// A node wrote the key again for its holder.
    Restored,
    /// A node without memory raised the expiry of a lock, and not its fence.
    FenceNotRaised,
    /// A cool-down had its majority.
    CooledDown,
    /// A cool-down that arrived again found its own window.
    CooledDownBefore,
    /// A node forgot the lock of a client that was its holder.
    ForgotHolder,
    /// A round won with the vote of a process that is gone.
    GrantedByGoneProcess,
    /// A node carried out an acquire after its attempt had been over for longer than the ttl.
    ArrivedAfterTheTtl,
    /// A node answered a release or a cool-down with an error.
    Refused,
    /// A cool-down that had not arrived went on as a release.
    CoolDownAsRelease,
    /// A local turn on the first block, and on a further one.
    Turn,
    TurnOnFurtherBlock,
}

/// The events met so far. Outside of the state: it does not steer the search.
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
