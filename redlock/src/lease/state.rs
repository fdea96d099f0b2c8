//! The state of a lease or a hold: open, then released, detached or lost. Each ends once.

use std::sync::atomic::{AtomicU8, Ordering::SeqCst};

const OPEN: u8 = 0;
const RELEASED: u8 = 1;
/// Ended here without a release. Apart from the kinds of loss.
const DETACHED: u8 = u8::MAX;

/// Sequentially consistent: a release and an extension that race see each other, see [`Lease::extend`](super::Lease::extend).
#[derive(Debug)]
pub(super) struct State(AtomicU8);

/// Why a lease was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Loss {
    Gone = 2,
    Expired,
    HeldTooLong,
    ForceReleased,
    Superseded,
}

impl State {
    pub(super) fn open() -> Self {
        Self(AtomicU8::new(OPEN))
    }

    pub(super) fn is_open(&self) -> bool {
        self.0.load(SeqCst) == OPEN
    }

    pub(super) fn is_released(&self) -> bool {
        matches!(self.0.load(SeqCst), RELEASED | DETACHED)
    }

    /// Whether another process continues with the lock, so that nothing is released here.
    pub(super) fn is_detached(&self) -> bool {
        self.0.load(SeqCst) == DETACHED
    }

    /// Why it was lost, if it was.
    pub(super) fn loss(&self) -> Option<Loss> {
        let state = self.0.load(SeqCst);
        Loss::ALL.into_iter().find(|loss| *loss as u8 == state)
    }

    /// Returns whether this call ended it.
    pub(super) fn release(&self) -> bool {
        self.end(RELEASED)
    }

    /// As [`release`](Self::release), but nothing is sent.
    pub(super) fn detach(&self) -> bool {
        self.end(DETACHED)
    }

    /// Returns whether this call ended it.
    pub(super) fn lose(&self, loss: Loss) -> bool {
        self.end(loss as u8)
    }

    fn end(&self, to: u8) -> bool {
        self.0.compare_exchange(OPEN, to, SeqCst, SeqCst).is_ok()
    }
}

impl Loss {
    const ALL: [Self; 5] = [
        Self::Gone,
        Self::Expired,
        Self::HeldTooLong,
        Self::ForceReleased,
        Self::Superseded,
    ];

    /// The reason as metrics have it.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Expired => "expired",
            Self::HeldTooLong => "held_too_long",
            Self::ForceReleased => "force_released",
            Self::Superseded => "superseded",
        }
    }

    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Gone => {
                "a majority of the nodes no longer holds it: it expired, was deleted or evicted, or was released by an operator"
            }
            Self::Expired => "its validity is over: it was not extended in time",
            Self::HeldTooLong => "its maximum hold time is over",
            Self::ForceReleased => "an operator released it by force",
            Self::Superseded => "a newer request superseded it",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_ends_only_once() {
        let state = State::open();
        assert!(state.is_open());
        assert!(state.lose(Loss::Expired));
        assert!(!state.release() && !state.lose(Loss::Gone));
        assert_eq!(state.loss(), Some(Loss::Expired));
        assert!(!state.is_open() && !state.is_released());
    }

    #[test]
    fn a_release_does_not_count_as_a_loss() {
        let state = State::open();
        assert!(state.release());
        assert!(state.is_released());
        assert_eq!(state.loss(), None);
    }
}
