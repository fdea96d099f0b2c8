//! The clock from which fencing tokens are proposed.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use super::{
    token::{FencingToken, signed},
    token_block::TokenBlock,
};
use crate::env::{clock::Instant, sync::lock};

/// Proposes tokens: the client's monotonic time, plus an offset calibrated by the nodes' clocks,
/// plus a lead learnt from the fences of other clients. So one round trip is enough although no two
/// clocks agree.
#[derive(Debug)]
pub(crate) struct TokenClock {
    /// The time of each node minus the client's; `None` until the node's time is known.
    offsets: Mutex<Vec<Option<i64>>>,
    /// The median of `offsets`.
    offset: AtomicU64,
    /// Whether `offset` comes from the nodes and not from this machine's wall clock.
    calibrated: AtomicBool,
    lead: AtomicU64,
    last: AtomicU64,
    most_lead: u64,
}

impl TokenClock {
    pub(crate) fn new(nodes: usize, now: Instant, skew: Duration) -> Self {
        Self {
            offsets: Mutex::new(vec![None; nodes]),
            offset: AtomicU64::new(wall_clock().saturating_sub(now.micros())),
            calibrated: AtomicBool::new(false),
            lead: AtomicU64::new(0),
            last: AtomicU64::new(0),
            most_lead: micros(skew).saturating_add(TokenBlock::MOST_AHEAD),
        }
    }

    /// Sets the wall-clock time of the nodes at `now`, which counts until they are calibrated.
    pub(crate) fn assume(&mut self, wall_micros: u64, now: Instant) {
        *self.offset.get_mut() = wall_micros.saturating_sub(now.micros());
        *self.calibrated.get_mut() = true;
    }

    /// Whether the time of any node is known. Before that there is only this machine's wall clock,
    /// which may be hours off: a token from it would be stale, or make those of other clients
    /// stale.
    pub(crate) fn is_calibrated(&self) -> bool {
        self.calibrated.load(Relaxed)
    }

    /// Node `index` does not report its time, so the wall clock of this machine counts instead.
    pub(crate) fn trust_this_machine(&self, index: usize, now: Instant) {
        self.calibrate(index, wall_clock(), now);
    }

    /// The clock of node `index` showed `node_micros` since the epoch when ours showed `at`.
    pub(crate) fn calibrate(&self, index: usize, node_micros: u64, at: Instant) {
        let mut offsets = lock(&self.offsets);
        let Some(slot) = offsets.get_mut(index) else {
            return;
        };
        *slot = Some(signed(node_micros).saturating_sub(signed(at.micros())));
        let mut known: Vec<i64> = offsets.iter().flatten().copied().collect();
        known.sort_unstable();
        if let Some(median) = known.get((known.len() - 1) / 2) {
            self.offset
                .store(u64::try_from(*median).unwrap_or(0), Relaxed);
            self.calibrated.store(true, Relaxed);
        }
    }

    /// The next proposal: above the clock, above `floor` (the highest fence seen for the key) and
    /// above everything that this client proposed before. `None` if no token is left below
    /// [`FencingToken::LIMIT`].
    pub(crate) fn propose(&self, now: Instant, floor: u64) -> Option<u64> {
        let clock = self.micros(now).saturating_add(self.lead.load(Relaxed));
        let previous = self
            .last
            .fetch_update(Relaxed, Relaxed, |last| {
                Some(clock.max(last.saturating_add(1)))
            })
            .unwrap_or(0);
        // A floor counts for its own key only, so it does not raise the tokens of other keys.
        let token = clock
            .max(previous.saturating_add(1))
            .max(floor.saturating_add(1));
        (token < FencingToken::LIMIT).then_some(token)
    }

    /// The highest token that a block may grow to at `now`. Others learn it as their lead, and we do, so it is hardly above ours.
    pub(crate) fn most_of_block(&self, now: Instant) -> u64 {
        let lead = self.lead.load(Relaxed);
        let ahead = lead.saturating_add(TokenBlock::UNIT);
        let ahead = ahead.max(TokenBlock::MOST_AHEAD);
        self.micros(now).saturating_add(ahead.min(self.most_lead))
    }

    /// The time that proposals start from, in microseconds.
    pub(crate) fn micros(&self, now: Instant) -> u64 {
        now.micros().saturating_add(self.offset.load(Relaxed))
    }

    /// Learns from the fence of another client. A fence beyond the skew bound is ignored; returns
    /// how far beyond it is.
    pub(crate) fn learn(&self, fence: u64, now: Instant) -> Option<Duration> {
        let ahead = fence.saturating_sub(self.micros(now));
        if ahead > self.most_lead {
            return Some(Duration::from_micros(ahead - self.most_lead));
        }
        // A node refuses a token that equals its fence.
        self.lead.fetch_max(ahead.saturating_add(1), Relaxed);
        None
    }
}

/// The time of this machine, in microseconds since the epoch.
fn wall_clock() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, micros)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> TokenClock {
        TokenClock::new(3, Instant::from_micros(0), Duration::from_secs(5))
    }

    #[test]
    fn proposals_increase_even_within_a_microsecond() {
        let clock = clock();
        let now = Instant::from_micros(7);
        let first = clock.propose(now, 0);
        assert!(clock.propose(now, 0) > first);
    }

    #[test]
    fn a_fence_raises_the_proposals_for_its_own_key_only() {
        let clock = clock();
        let now = Instant::from_micros(7);
        let far = FencingToken::LIMIT - 10;
        assert_eq!(clock.propose(now, far), Some(far + 1));
        assert!(clock.propose(now, 0).expect("a token") < far);
    }

    #[test]
    fn no_token_is_proposed_that_lua_cannot_represent_exactly() {
        assert_eq!(clock().propose(Instant::from_micros(1), 1 << 53), None);
    }

    #[test]
    fn proposals_follow_the_median_of_the_nodes_clocks() {
        let clock = clock();
        let at = Instant::from_micros(1_000);
        for (node, time) in [5_000_000, 5_000_100, 900_000_000_000]
            .into_iter()
            .enumerate()
        {
            clock.calibrate(node, time, at);
        }
        assert_eq!(clock.propose(at, 0), Some(5_000_100));
    }

    #[test]
    fn a_lead_is_learnt_up_to_the_skew_bound() {
        let clock = clock();
        let at = Instant::from_micros(1_000);
        clock.calibrate(0, 1_000_000, at);
        assert_eq!(clock.learn(1_400_000, at), None);
        assert_eq!(clock.propose(at, 0), Some(1_400_001));
        let beyond = clock.learn(1_000_000 + 6_000_000 + TokenBlock::MOST_AHEAD, at);
        assert_eq!(beyond, Some(Duration::from_secs(1)));
        assert!(clock.propose(at, 0).expect("a token") < 2_000_000);
    }

    #[test]
    fn a_block_reaches_ahead_by_little_and_never_beyond_the_most_lead() {
        let (clock, at) = (clock(), Instant::from_micros(1_000));
        clock.calibrate(0, 1_000_000, at);
        assert_eq!(clock.most_of_block(at), 1_000_000 + TokenBlock::MOST_AHEAD);
        assert_eq!(clock.learn(1_000_000 + TokenBlock::MOST_AHEAD, at), None);
        let most = 1_000_000 + TokenBlock::MOST_AHEAD + 1 + TokenBlock::UNIT;
        assert_eq!(clock.most_of_block(at), most);
        let most = 1_000_000 + 5_000_000 + TokenBlock::MOST_AHEAD;
        assert_eq!(clock.learn(most, at), None);
        assert_eq!(clock.most_of_block(at), most);
    }
}
