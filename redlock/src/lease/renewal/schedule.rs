//! The schedule of a client's renewals: when to extend which lease, and when to check its deadlines.

use std::{cmp::Ordering, cmp::Reverse, collections::BinaryHeap, sync::Weak};

use tokio::runtime::Id;

use crate::{env::clock::Instant, lease::Lease};

/// Timers of leases that are gone are swept out when there are this many timers, and again at twice of what was left.
const SWEEP_AT: usize = 1_024;

#[derive(Debug)]
pub(super) struct Schedule {
    /// When to extend a lease, with the number of the timer: only the last one of a lease counts.
    pub(super) renewals: Timers<u16>,
    /// When to check the deadlines of a lease, with the same time again: only the earliest one of a lease counts.
    pub(super) checks: Timers<Instant>,
    /// The runtimes in which the renewal task runs.
    pub(super) runtimes: Vec<Id>,
}

#[derive(Debug)]
pub(super) struct Timers<T> {
    heap: BinaryHeap<Reverse<Timer<T>>>,
    sweep_at: usize,
}

/// One for every lock that is renewed, so it is kept small.
#[derive(Debug)]
pub(super) struct Timer<T> {
    pub(super) at: Instant,
    pub(super) lease: Weak<Lease>,
    /// Tells a timer that counts from one that was replaced.
    pub(super) stamp: T,
}

impl Schedule {
    pub(super) fn new() -> Self {
        Self {
            renewals: Timers::new(),
            checks: Timers::new(),
            runtimes: Vec::new(),
        }
    }

    pub(super) fn leases(&self) -> Vec<Weak<Lease>> {
        let renewed = self.renewals.leases();
        renewed.chain(self.checks.leases()).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.renewals.heap.is_empty() && self.checks.heap.is_empty()
    }

    /// When the next timer is due; without `renewals`, the next check.
    pub(super) fn next(&self, renewals: bool) -> Option<Instant> {
        let renewal = self.renewals.next().filter(|_| renewals);
        self.checks.next().into_iter().chain(renewal).min()
    }
}

impl<T> Timers<T> {
    fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            sweep_at: SWEEP_AT,
        }
    }

    fn leases(&self) -> impl Iterator<Item = Weak<Lease>> {
        let timers = self.heap.iter();
        timers.map(|Reverse(timer)| Weak::clone(&timer.lease))
    }

    fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(timer)| timer.at)
    }

    /// A lock that is released leaves its timer behind, and a busy client releases far more locks than it holds.
    pub(super) fn push(&mut self, timer: Timer<T>) {
        if self.heap.len() >= self.sweep_at {
            self.heap
                .retain(|Reverse(timer)| timer.lease.strong_count() > 0);
            self.sweep_at = (self.heap.len() * 2).max(SWEEP_AT);
        }
        self.heap.push(Reverse(timer));
    }

    /// The next timer that is due at `now`.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Timer<T>> {
        self.next().filter(|at| *at <= now)?;
        self.heap.pop().map(|Reverse(timer)| timer)
    }
}

impl<T> PartialEq for Timer<T> {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl<T> Eq for Timer<T> {}

impl<T> PartialOrd for Timer<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Timer<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timer(at: u64) -> Timer<u16> {
        Timer {
            at: Instant::from_micros(at),
            lease: Weak::new(),
            stamp: 0,
        }
    }

    #[test]
    fn released_locks_leave_a_bounded_number_of_timers() {
        let mut schedule = Schedule::new();
        for at in 0..10 * SWEEP_AT as u64 {
            schedule.renewals.push(timer(at));
        }
        assert!(schedule.renewals.heap.len() <= SWEEP_AT);
    }

    #[test]
    fn timers_are_due_in_order_and_not_before_their_time() {
        let mut schedule = Schedule::new();
        for at in [30, 10, 20] {
            schedule.renewals.push(timer(at));
        }
        let due = std::iter::from_fn(|| schedule.renewals.pop(Instant::from_micros(20)));
        let due: Vec<u64> = due.map(|timer| timer.at.micros()).collect();
        assert_eq!(due, [10, 20]);
        assert_eq!(schedule.next(true), Some(Instant::from_micros(30)));
        assert_eq!(schedule.next(false), None, "no check is scheduled");
    }
}
