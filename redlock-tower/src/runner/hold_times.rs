//! How long requests hold their locks: the basis of `Retry-After`.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Routes are distinguished by a hash of their names, so that the times take the same memory for any number of routes. Routes
/// with the same hash share an estimate.
const ROUTES: usize = 32;

/// The longest recent hold of each route. Each further hold reduces the old maximum by an eighth.
#[derive(Debug, Default)]
pub(crate) struct HoldTimes {
    /// In microseconds. Zero before the first hold.
    longest: [AtomicU64; ROUTES],
}

/// The place of a route in [`HoldTimes`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Route(usize);

impl Route {
    /// By the FNV-1a hash of its name, whose upper bits are the place.
    pub(crate) fn of(name: &str) -> Self {
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self((hash >> 59) as usize)
    }
}

impl HoldTimes {
    pub(crate) fn record(&self, route: Route, hold: Duration) {
        let longest = &self.longest[route.0];
        let hold = u64::try_from(hold.as_micros()).unwrap_or(u64::MAX).max(1);
        let before = longest.load(Relaxed);
        // Two concurrent records may overwrite each other. That is fine for an estimate.
        longest.store(hold.max(before - before / 8), Relaxed);
    }

    /// `None` before the first hold has ended.
    pub(crate) fn longest(&self, route: Route) -> Option<Duration> {
        match self.longest[route.0].load(Relaxed) {
            0 => None,
            longest => Some(Duration::from_micros(longest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_hold_counts_at_once_and_fades_with_shorter_ones() {
        let (times, route) = (HoldTimes::default(), Route::of("/orders"));
        assert_eq!(times.longest(route), None);
        times.record(route, Duration::from_secs(8));
        times.record(route, Duration::from_millis(10));
        assert_eq!(times.longest(route), Some(Duration::from_secs(7)));
        for _ in 0..100 {
            times.record(route, Duration::from_millis(10));
        }
        assert_eq!(times.longest(route), Some(Duration::from_millis(10)));
        times.record(route, Duration::from_secs(9));
        assert_eq!(times.longest(route), Some(Duration::from_secs(9)));
    }

    #[test]
    fn routes_have_their_own_holds() {
        let times = HoldTimes::default();
        times.record(Route::of("/orders"), Duration::from_secs(8));
        assert_eq!(times.longest(Route::of("/payments")), None);
    }

    #[test]
    fn every_route_has_a_place() {
        for number in 0..1000 {
            assert!(Route::of(&format!("/{number}")).0 < ROUTES);
        }
    }
}
