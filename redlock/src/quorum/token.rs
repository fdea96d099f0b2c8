//! Fencing tokens, and the clock they are proposed from.

use std::{
    fmt,
    str::FromStr,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use crate::{
    command::TOKEN_LIMIT,
    env::{clock::Instant, sync::lock},
};

/// A number that is larger for every next holder of a key.
///
/// Hand it to the store that the lock protects. A store that refuses a token lower than one it has seen is safe even
/// from a holder that was paused for longer than its lease and does not know yet that it lost the lock
/// ([Kleppmann, *How to do distributed locking*](https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html)).
///
/// Tokens of one key strictly increase, as long as no more than a minority of the nodes forgets what it stored; they
/// are microseconds of a calibrated clock, so they have gaps, fit into 53 bits (a JSON number) and are comparable only
/// within a key. A lock taken with `fencing(false)` has token 0, which such a store refuses.
///
/// A store keeps it as an `i64` or a text, and gives it back by `TryFrom` or `FromStr`; with the feature `serde` it is a
/// number.
///
/// ```
/// use redlock::FencingToken;
///
/// let stored: i64 = 1_764_144_000_000_000;
/// let token = FencingToken::try_from(stored)?;
/// assert_eq!(i64::from(token), stored);
/// assert_eq!(token.to_string().parse(), Ok(token));
/// assert!(FencingToken::try_from(-1_i64).is_err());
/// # Ok::<(), redlock::InvalidToken>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "u64", try_from = "u64"))]
pub struct FencingToken(u64);

impl FencingToken {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const LIMIT: u64 = TOKEN_LIMIT;

    /// How many tokens a lease reserves at most, for turns without a round trip: microseconds, as all tokens.
    pub(crate) const BLOCK: u64 = 256;

    pub(crate) fn new(value: u64) -> Self {
        Self(value)
    }

    /// The token as a number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<FencingToken> for u64 {
    fn from(token: FencingToken) -> Self {
        token.0
    }
}

impl From<FencingToken> for i64 {
    fn from(token: FencingToken) -> Self {
        // It has 53 bits.
        signed(token.0)
    }
}

impl TryFrom<u64> for FencingToken {
    type Error = InvalidToken;

    fn try_from(number: u64) -> Result<Self, InvalidToken> {
        if number < 1 << 53 {
            Ok(Self(number))
        } else {
            Err(InvalidToken(()))
        }
    }
}

impl TryFrom<i64> for FencingToken {
    type Error = InvalidToken;

    fn try_from(number: i64) -> Result<Self, InvalidToken> {
        u64::try_from(number)
            .map_err(|_| InvalidToken(()))?
            .try_into()
    }
}

impl FromStr for FencingToken {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        text.parse::<u64>()
            .map_err(|_| InvalidToken(()))?
            .try_into()
    }
}

/// What cannot be a [`FencingToken`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidToken(());

impl fmt::Display for InvalidToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no fencing token: one is a number from 0 to 2^53 - 1")
    }
}

impl std::error::Error for InvalidToken {}

/// Proposes tokens: the client's monotonic time plus an offset that the nodes' clocks calibrate, plus a lead learnt
/// from the fences that other clients left, so that one round trip is enough although no two clocks agree.
#[derive(Debug)]
pub(crate) struct TokenClock {
    /// Nodes' time minus client's time, by node; `None` until the node told its time.
    offsets: Mutex<Vec<Option<i64>>>,
    /// The median of `offsets`.
    offset: AtomicU64,
    /// Whether `offset` is the nodes' word, not this machine's.
    told: AtomicBool,
    lead: AtomicU64,
    last: AtomicU64,
    most_lead: u64,
}

impl TokenClock {
    pub(crate) fn new(nodes: usize, now: Instant, skew: Duration) -> Self {
        let wall = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, micros);
        Self {
            offsets: Mutex::new(vec![None; nodes]),
            offset: AtomicU64::new(wall.saturating_sub(now.micros())),
            told: AtomicBool::new(false),
            lead: AtomicU64::new(0),
            last: AtomicU64::new(0),
            most_lead: micros(skew).saturating_add(FencingToken::BLOCK),
        }
    }

    /// What the nodes' wall clocks show when ours shows `now`: followed until they tell more.
    pub(crate) fn assume(&mut self, wall_micros: u64, now: Instant) {
        *self.offset.get_mut() = wall_micros.saturating_sub(now.micros());
        *self.told.get_mut() = true;
    }

    /// Whether any node has told its time. Before that only this machine's wall clock is known, which may be hours off:
    /// a token from it would be stale, or hold up those who know better.
    pub(crate) fn is_told(&self) -> bool {
        self.told.load(Relaxed)
    }

    /// Node `index` said that its clock shows `node_micros` since the epoch, when ours showed `at`.
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
            self.told.store(true, Relaxed);
        }
    }

    /// The next proposal: above the clock, above `floor` (the highest fence seen for the key) and above all that this
    /// client proposed before. `None` where no token is left below [`FencingToken::LIMIT`].
    pub(crate) fn propose(&self, now: Instant, floor: u64) -> Option<u64> {
        let clock = self.micros(now).saturating_add(self.lead.load(Relaxed));
        let previous = self
            .last
            .fetch_update(Relaxed, Relaxed, |last| {
                Some(clock.max(last.saturating_add(1)))
            })
            .unwrap_or(0);
        // A floor counts for its own key only, so it does not raise what other keys are proposed.
        let token = clock
            .max(previous.saturating_add(1))
            .max(floor.saturating_add(1));
        (token < FencingToken::LIMIT).then_some(token)
    }

    /// The time that proposals start from, in microseconds.
    pub(crate) fn micros(&self, now: Instant) -> u64 {
        now.micros().saturating_add(self.offset.load(Relaxed))
    }

    /// Learns from a fence that another client left. Returns by how much it lies beyond the skew bound, if it does:
    /// such a fence is no clock to follow.
    pub(crate) fn learn(&self, fence: u64, now: Instant) -> Option<Duration> {
        let ahead = fence.saturating_sub(self.micros(now));
        if ahead > self.most_lead {
            return Some(Duration::from_micros(ahead - self.most_lead));
        }
        // One more, since a node refuses what equals its fence.
        self.lead.fetch_max(ahead.saturating_add(1), Relaxed);
        None
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn signed(micros: u64) -> i64 {
    i64::try_from(micros).unwrap_or(i64::MAX)
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
    fn a_proposal_lies_above_the_fence_of_its_key_only() {
        let clock = clock();
        let now = Instant::from_micros(7);
        let far = FencingToken::LIMIT - 10;
        assert_eq!(clock.propose(now, far), Some(far + 1));
        assert!(clock.propose(now, 0).expect("a token") < far);
    }

    #[test]
    fn no_token_is_proposed_where_lua_would_lose_digits() {
        assert_eq!(clock().propose(Instant::from_micros(1), 1 << 53), None);
    }

    #[test]
    fn the_median_of_the_nodes_is_followed() {
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
        let beyond = clock.learn(1_000_000 + 6_000_256, at);
        assert_eq!(beyond, Some(Duration::from_secs(1)));
        assert!(clock.propose(at, 0).expect("a token") < 2_000_000);
    }
}
