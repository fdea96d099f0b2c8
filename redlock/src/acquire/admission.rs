//! How many attempts of a client are in flight at a time. The rest wait, in the order of their coming.
//!
//! Without a bound, thousands of attempts delay each other until every one of them misses its time-out, and what renews
//! or ends a lock is delayed with them. Releases, rollbacks and extensions are not admitted: they go at once.
//!
//! The bound follows the load: it falls by a quarter when attempts take longer than the fastest one by a good part of
//! the node time-out, and rises slowly while others wait and attempts are quick. So it is high where nodes are far away,
//! and low where the machine or the nodes cannot keep up.

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

/// The bound at first, and where it stays while nobody has to wait.
const START: usize = 256;
const LEAST: usize = 32;
const MOST: usize = 1_024;
/// An attempt is late when it takes longer than the fastest one by this part of the node time-out.
const LATE: u32 = 4;
/// For how long the fastest attempt is remembered, at least.
const WINDOW: Duration = Duration::from_secs(10);
/// After this many attempts on time the bound rises by one.
const RISE: u32 = 4;

/// The attempts of one client.
#[derive(Debug)]
pub(crate) struct Admission {
    places: Semaphore,
    waiting: AtomicUsize,
    /// The least time that an attempt took lately, in microseconds: in the window before this one, and in this one.
    fastest: [AtomicU64; 2],
    /// When the next window begins: nodes may come to be farther away. In microseconds of the client's clock.
    next_window: AtomicU64,
    /// Places to take away when their attempts end.
    excess: AtomicUsize,
    pace: Mutex<Pace>,
}

#[derive(Debug)]
struct Pace {
    limit: usize,
    on_time: u32,
    /// When the bound fell: an attempt that began before says nothing of the bound since.
    fell: Instant,
}

/// An attempt that may be made. Dropped: the next one may.
#[derive(Debug)]
pub(crate) struct Admitted<'a> {
    admission: &'a Admission,
    place: Option<SemaphorePermit<'a>>,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            places: Semaphore::new(START),
            waiting: AtomicUsize::new(0),
            fastest: [const { AtomicU64::new(u64::MAX) }; 2],
            next_window: AtomicU64::new(0),
            excess: AtomicUsize::new(0),
            pace: Mutex::new(Pace {
                limit: START,
                on_time: 0,
                fell: Instant::BEGINNING,
            }),
        }
    }
}

impl Admission {
    /// A place, if one is free and nobody waits for it.
    pub(crate) fn try_admit(&self) -> Option<Admitted<'_>> {
        let place = self.places.try_acquire().ok()?;
        Some(self.admitted(place))
    }

    /// Waits for a place, at most this long. Cancel safe: the place in line is left.
    pub(crate) async fn admit(&self, within: Duration) -> Option<Admitted<'_>> {
        let _waiting = Subscriber::new(&self.waiting);
        let place = timeout(within, self.places.acquire()).await.ok()?.ok()?;
        Some(self.admitted(place))
    }

    fn admitted<'a>(&'a self, place: SemaphorePermit<'a>) -> Admitted<'a> {
        Admitted {
            admission: self,
            place: Some(place),
        }
    }

    /// Takes one place away, if there are too many.
    fn has_excess(&self) -> bool {
        let one_less = |excess: usize| excess.checked_sub(1);
        // Read first: it is zero but for moments.
        self.excess.load(Relaxed) > 0 && self.excess.fetch_update(SeqCst, SeqCst, one_less).is_ok()
    }

    /// How many attempts may be in flight now.
    pub(crate) fn limit(&self) -> usize {
        lock(&self.pace).limit
    }

    /// An attempt that `began` then was granted its lock after `took`.
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

    /// The least time of an attempt lately, this one among them.
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

    /// An attempt that `began` then had no answer from a quorum by `now`.
    pub(crate) fn unanswered(&self, began: Instant, now: Instant) {
        self.fall(began, now);
    }

    fn fall(&self, began: Instant, now: Instant) {
        let mut pace = lock(&self.pace);
        if began < pace.fell {
            return;
        }
        let less = (pace.limit / 4).min(pace.limit.saturating_sub(LEAST));
        pace.fell = now;
        pace.on_time = 0;
        pace.limit -= less;
        let taken = self.places.forget_permits(less);
        self.excess.fetch_add(less - taken, SeqCst);
    }

    fn rise(&self) {
        let mut pace = lock(&self.pace);
        pace.on_time += 1;
        if pace.on_time < RISE || pace.limit >= MOST {
            return;
        }
        pace.on_time = 0;
        pace.limit += 1;
        if !self.has_excess() {
            self.places.add_permits(1);
        }
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        if self.admission.has_excess()
            && let Some(place) = self.place.take()
        {
            place.forget();
        }
    }
}

/// Counts who waits, until it is dropped.
struct Subscriber<'a>(&'a AtomicUsize);

impl<'a> Subscriber<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, SeqCst);
        Self(count)
    }
}

impl Drop for Subscriber<'_> {
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
    async fn nodes_that_come_to_be_farther_away_are_not_taken_for_slow_ones() {
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
        assert!(low < START, "at first they are late");
        (40..80).for_each(far);
        assert_eq!(admission.limit(), low, "then that is the time they take");
    }

    #[tokio::test(start_paused = true)]
    async fn the_bound_falls_once_for_all_that_were_late_together_and_not_below_its_least() {
        let admission = Admission::default();
        admission.granted(at(1), Duration::from_millis(1), NODE_TIMEOUT);
        for _ in 0..START {
            admission.granted(at(10), Duration::from_millis(100), NODE_TIMEOUT);
        }
        assert_eq!(admission.limit(), START * 3 / 4);
        for round in 1..100 {
            admission.unanswered(at(round * 1_000), at(round * 1_000 + 250));
        }
        assert_eq!(admission.limit(), LEAST);
        let mut places = Vec::new();
        while let Some(place) = admission.admit(Duration::from_millis(1)).await {
            places.push(place);
        }
        assert_eq!(places.len(), LEAST);
    }

    #[tokio::test(start_paused = true)]
    async fn places_of_attempts_in_flight_are_taken_away_when_these_end() {
        let admission = Admission::default();
        let mut places = Vec::new();
        while let Some(place) = admission.admit(Duration::from_millis(1)).await {
            places.push(place);
        }
        assert_eq!(places.len(), START);
        admission.unanswered(at(1), at(2));
        places.truncate(START - START / 4);
        assert!(admission.admit(Duration::from_millis(1)).await.is_none());
        places.pop();
        assert!(admission.admit(Duration::from_millis(1)).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_bound_rises_while_others_wait_and_attempts_are_on_time() {
        let admission = Admission::default();
        for _ in 0..100 {
            admission.granted(at(1), Duration::from_millis(1), NODE_TIMEOUT);
        }
        assert_eq!(admission.limit(), START, "nobody waits");
        let _waiting = Subscriber::new(&admission.waiting);
        for _ in 0..100 {
            admission.granted(at(1), Duration::from_millis(1), NODE_TIMEOUT);
        }
        assert_eq!(admission.limit(), START + 100 / RISE as usize);
    }
}
