//! The waiters for one key in this process.

use std::{collections::VecDeque, sync::Arc};

use tokio::sync::oneshot;

use crate::{
    error::Error,
    lease::{HandOverLimit, HoldOptions, LeaseOptions},
    round::Round,
};

/// Holes of waiters that gave up are swept out at each power of two from this length on.
const SWEEP_AT: usize = 64;

/// The waiters in the order of their arrival. Each is sent one `T`.
#[derive(Debug)]
pub(super) struct Waiters<T> {
    queue: VecDeque<Waiter<T>>,
    /// The release before the current lease.
    pub(super) release_before: Option<Arc<Round>>,
    /// What the next waiter needs to know.
    pub(super) history: History,
    /// Why the last attempt found no quorum, until another one fails in another way or is granted.
    pub(super) outage: Option<Error>,
}

#[derive(Debug)]
pub(super) struct Waiter<T> {
    pub(super) wants: Wants,
    pub(super) sender: oneshot::Sender<T>,
}

/// What a waiter asks for.
#[derive(Clone, Copy, Debug)]
pub(in crate::acquire) struct Wants {
    pub(in crate::acquire) lease: LeaseOptions,
    /// How many permits the semaphore has; `None` for a lock.
    pub(in crate::acquire) permits: Option<u16>,
    pub(in crate::acquire) hold: HoldOptions,
    /// Does not wait for a quorum.
    pub(in crate::acquire) fail_fast: bool,
}

/// What is known from earlier leases.
#[derive(Clone, Debug, Default)]
pub(in crate::acquire) struct History {
    /// The highest token that those leases may have used.
    pub(in crate::acquire) fence: u64,
    pub(in crate::acquire) last_release: Option<Arc<Round>>,
    /// Another process was seen to hold or to want the key.
    pub(in crate::acquire) contended: bool,
    /// How many leases in a row ended without a sign of another process.
    pub(in crate::acquire) uncontended: u8,
}

impl<T> Default for Waiters<T> {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            release_before: None,
            history: History::default(),
            outage: None,
        }
    }
}

impl<T> Waiters<T> {
    pub(super) fn push(&mut self, waiter: Waiter<T>) {
        // Otherwise a queue of holes could grow without a bound.
        if self.queue.len() >= SWEEP_AT && self.queue.len().is_power_of_two() {
            self.queue.retain(|waiter| !waiter.sender.is_closed());
        }
        self.queue.push_back(waiter);
    }

    pub(super) fn put_back(&mut self, waiter: Waiter<T>) {
        self.queue.push_front(waiter);
    }

    pub(super) fn pop(&mut self) -> Option<Waiter<T>> {
        self.queue.pop_front()
    }

    /// Removes the first waiter that has not given up, if it wants this lease: that of a lock, or of one of `permits`. A later
    /// waiter never overtakes it.
    pub(super) fn pop_if_wants(
        &mut self,
        lease: &LeaseOptions,
        permits: Option<u16>,
    ) -> Option<Waiter<T>> {
        while let Some(waiter) = self.queue.pop_front() {
            if waiter.sender.is_closed() {
                continue;
            }
            if waiter.wants.lease == *lease && waiter.wants.permits == permits {
                return Some(waiter);
            }
            self.queue.push_front(waiter);
            return None;
        }
        None
    }

    /// Takes out the waiters whose wants are of this kind.
    pub(super) fn take_those(&mut self, are: impl Fn(&Wants) -> bool) -> VecDeque<Waiter<T>> {
        let all = std::mem::take(&mut self.queue);
        let (leaving, staying) = all.into_iter().partition(|waiter| are(&waiter.wants));
        self.queue = staying;
        leaving
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn into_queue(self) -> VecDeque<Waiter<T>> {
        self.queue
    }

    /// Whether another process waits, according to the replies to the last release.
    pub(super) fn is_contended(&self) -> bool {
        let release = self.release_before.as_ref();
        release.is_some_and(|release| release.has_notified())
    }

    /// Remembers a lease that has ended.
    pub(super) fn lease_ended(&mut self, lease: Ended) {
        let contended = lease.limit.contended || self.is_contended();
        self.history = History {
            fence: lease.last_token,
            last_release: lease.release,
            contended,
            uncontended: if contended {
                0
            } else {
                lease.limit.uncontended.saturating_add(1)
            },
        };
    }
}

/// A lease that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) last_token: u64,
    /// `None` if the lease was lost.
    pub(super) release: Option<Arc<Round>>,
    pub(super) limit: HandOverLimit,
}
