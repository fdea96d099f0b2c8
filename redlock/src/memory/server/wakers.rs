//! Tasks to be woken once the server is unlocked.

use std::task::Waker;

/// Tasks to be woken once the server is unlocked.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Wakers(Vec<Waker>);

impl Wakers {
    pub(crate) fn add(&mut self, waker: Option<Waker>) {
        self.0.extend(waker);
    }

    pub(crate) fn wake(self) {
        for waker in self.0 {
            waker.wake();
        }
    }

    /// Wakes all but `own`, which is being polled and checks by itself.
    pub(crate) fn wake_others(self, own: &Waker) {
        for waker in self.0 {
            if !waker.will_wake(own) {
                waker.wake();
            }
        }
    }
}
