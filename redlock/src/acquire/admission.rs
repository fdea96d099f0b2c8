//! Admission: a limit on the attempts of a client that are in flight. The others wait, first come, first served.
//!
//! Without a limit, thousands of attempts delay each other until all of them miss their time-out, and delay renewals and
//! releases too. Releases, rollbacks and extensions need no admission.
//!
//! The limit follows the load. It falls by a quarter when attempts take longer than the fastest one by a good part of the
//! node time-out, and rises slowly while others wait and attempts are quick. So it is high where nodes are far away, and
//! low where the machine or the nodes cannot keep up.

use std::{
    sync::{
        Mutex,
        atomic::{
            AtomicU64, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use crate::env::{clock::Instant, sync::lock};

/// The initial limit, which stays while no attempt has to wait.
const INITIAL: usize = 256;
const MIN: usize = 32;
const MAX: usize = 1_024;
/// An attempt is late when it takes longer than the fastest one by this part of the node time-out.
const LATE: u32 = 4;
/// Minimum time for which the fastest attempt is remembered.
const WINDOW: Duration = Duration::from_secs(10);
/// After this many attempts in time the limit rises by one.
const RISE: u32 = 4;

/// The attempts of one client.
#[derive(Debug)]
pub(super) struct Admission {
    permits: Semaphore,
    waiting: AtomicUsize,
    /// The least time of an attempt in microseconds: in the window before this one, and in this one.
    fastest: [AtomicU64; 2],
    /// When the next window begins, in microseconds of the client's clock.
    next_window: AtomicU64,
    /// Permits to take away when their attempts end.
    excess: AtomicUsize,
    pace: Mutex<Pace>,
}

#[derive(Debug)]
struct Pace {
    limit: usize,
    on_time: u32,
    /// When the limit fell. An attempt that began before that says nothing about the new limit.
    fell: Instant,
}

/// The permit of one attempt.
#[derive(Debug)]
pub(super) struct Admitted<'a> {
    admission: &'a Admission,
    permit: Option<SemaphorePermit<'a>>,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            permits: Semaphore::new(INITIAL),
            waiting: AtomicUsize::new(0),
            fastest: [const { AtomicU64::new(u64::MAX) }; 2],
            next_window: AtomicU64::new(0),
            excess: AtomicUsize::new(0),
            pace: Mutex::new(Pace {
                limit: INITIAL,
                on_time: 0,
                fell: Instant::BEGINNING,
            }),
        }
    }
}

impl Admission {
    /// Returns a permit, if one is free.
    pub(crate) fn try_admit(&self) -> Option<Admitted<'_>> {
        let permit = self.permits.try_acquire().ok()?;
        Some(self.admitted(permit))
    }

    /// Waits for a permit, at most for `within`. Cancel safe.
    pub(crate) async fn admit(&self, within: Duration) -> Option<Admitted<'_>> {
        let _waiting = Waiting::new(&self.waiting);
        let permit = timeout(within, self.permits.acquire()).await.ok()?.ok()?;
        Some(self.admitted(permit))
    }

    fn admitted<'a>(&'a self, permit: SemaphorePermit<'a>) -> Admitted<'a> {
        Admitted {
            admission: self,
            permit: Some(permit),
        }
    }

    /// Takes one permit out of the excess, if there is any.
    fn take_excess(&self) -> bool {
        let one_less = |excess: usize| excess.checked_sub(1);
        // Read first: it is almost always zero.
        self.excess.load(Relaxed) > 0 && self.excess.fetch_update(SeqCst, SeqCst, one_less).is_ok()
    }

    /// How many attempts may be in flight now.
    pub(crate) fn limit(&self) -> usize {
        lock(&self.pace).limit
    }

    /// An attempt that started at `began` was granted its lock after `took`.
    pub(crate) fn granted(&self, began: Instant, took: Duration, node_timeout: Duration) {
        let took_micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let fastest = self.fastest(took_micros, began.after(took));
        let delay = took.saturating_sub(Duration::from_micros(fastest));
        if delay > node_timeout / LATE {
            self.fall(began, began.after(took));
        } else if self.waiting.load(Relaxed) > 0 {
            self.rise();
        }
    }

    /// The least time of a recent attempt, this one included.
    fn fastest(&self, took: u64, now: Instant) -> u64 {
        let [before, current] = &self.fastest;
        let ends = self.next_window.load(Relaxed);
        if now.micros() >= ends {
            let next = now.after(WINDOW).micros();
            if self
                .next_window
                .compare_exchange(ends, next, SeqCst, Relaxed)
                .is_ok()
            {
                before.store(current.swap(took, SeqCst), SeqCst);
            }
        }
        if took < current.load(Relaxed) {
            current.fetch_min(took, Relaxed);
        }
        took.min(before.load(Relaxed)).min(current.load(Relaxed))
    }

    /// An attempt that started at `began` had no answer from a quorum by `now`.
    pub(crate) fn unanswered(&self, began: Instant, now: Instant) {
        self.fall(began, now);
    }

    fn fall(&self, began: Instant, now: Instant) {
        let mut pace = lock(&self.pace);
        if began < pace.fell {
            return;
        }
        let less = (pace.limit / 4).min(pace.limit.saturating_sub(MIN));
        pace.fell = now;
        pace.on_time = 0;
        pace.limit -= less;
        let taken = self.permits.forget_permits(less);
        self.excess.fetch_add(less - taken, SeqCst);
    }

    fn rise(&self) {
        let mut pace = lock(&self.pace);
        pace.on_time += 1;
        if pace.on_time < RISE || pace.limit >= MAX {
            return;
        }
        pace.on_time = 0;
        pace.limit += 1;
        if !self.take_excess() {
            self.permits.add_permits(1);
        }
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        if self.admission.take_excess()
            && let Some(permit) = self.permit.take()
        {
            permit.forget();
        }
    }
}

/// Counts a waiting attempt, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE_TIMEOUT: Duration = Duration::from_millis(250);

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    #[tokio::test(start_paused = true)]
    async fn a_longer_round_trip_is_soon_the_new_normal() {
        let admission = Admission::default();
        admission.granted(at(1_000), Duration::from_millis(1), NODE_TIMEOUT);
        let far = |second: u64| {
            for step in 0..10 {
                let began = at(second * 1_000 + step * 100);
                admission.granted(began, Duration::from_millis(100), NODE_TIMEOUT);
            }
        };
        (2..40).for_each(far);
        let low = admission.limit();
        assert!(low < INITIAL, "at first they are late");
        (40..80).for_each(far);
        assert_eq!(admission.limit(), low, "then that is their normal time");
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_falls_once_for_attempts_that_were_late_together_and_not_below_its_minimum() {
        let admission = Admission::default();
        admission.granted(at(1), Duration::from_millis(1), NODE_TIMEOUT);
        for _ in 0..INITIAL {
            admission.granted(at(10), Duration::from_millis(100), NODE_TIMEOUT);
        }
        assert_eq!(admission.limit(), INITIAL * 3 / 4);
        for round in 1..100 {
            admission.unanswered(at(round * 1_000), at(round * 1_000 + 250));
        }
        assert_eq!(admission.limit(), MIN);
        let mut permits = Vec::new();
        while let Some(permit) = admission.admit(Duration::from_millis(1)).await {
            permits.push(permit);
        }
        assert_eq!(permits.len(), MIN);
    }

    #[tokio::test(start_paused = true)]
    async fn permits_of_attempts_in_flight_are_taken_away_when_these_end() {
        let admission = Admission::default();
        let mut permits = Vec::new();
        while let Some(permit) = admission.admit(Duration::from_millis(1)).await {
            permits.push(permit);
        }
        assert_eq!(permits.len(), INITIAL);
        admission.unanswered(at(1), at(2));
        permits.truncate(INITIAL - INITIAL / 4);
        assert!(admission.admit(Duration::from_millis(1)).await.is_none());
        permits.pop();
        assert!(admission.admit(Duration::from_millis(1)).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_rises_while_others_wait_and_attempts_are_in_time() {
        let admission = Admission::default();
        for _ in 0..100 {
            admission.granted(at(1), Duration::from_millis(1), NODE_TIMEOUT);
        }
        assert_eq!(admission.limit(), INITIAL, "nobody waits");
        let _waiting = Waiting::new(&admission.waiting);
        for _ in 0..100 {
            admission.granted(at(1), Duration::from_millis(1), NODE_TIMEOUT);
        }
        assert_eq!(admission.limit(), INITIAL + 100 / RISE as usize);
    }
}
