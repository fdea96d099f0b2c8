//! The options of a job, and their bounds.

use std::time::Duration;

use super::rules::Rules;
use crate::{
    config::{self, MIN_DURATION},
    core::Core,
    error::Result,
};

/// How long a record is kept beyond the oldest firing for which it may be needed. So rare jobs keep
/// their record, and so do jobs that did not run for some weeks.
const KEPT: Duration = Duration::from_secs(28 * 24 * 3600);
/// Maximum `catch_up`.
const MAX_CATCH_UP: Duration = Duration::from_secs(180 * 24 * 3600);
const CATCH_UP: Duration = Duration::from_secs(3600);

/// How long a job waits between two attempts of a body that fails, see [`Job::retry`](super::Job::retry).
///
/// A `Duration` converts into a constant one.
///
/// # Examples
/// ```
/// use redlock::job::Backoff;
/// use std::time::Duration;
///
/// let seconds = Duration::from_secs;
/// // 5 s, 10 s, 20 s, 40 s, and 60 s from then on.
/// let growing = Backoff::exponential(seconds(5), seconds(60));
/// // 5 s each time.
/// assert_eq!(Backoff::constant(seconds(5)), seconds(5).into());
/// # let _ = growing;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Backoff {
    first: Duration,
    most: Duration,
}

impl Backoff {
    /// The same pause each time.
    #[must_use]
    pub const fn constant(pause: Duration) -> Self {
        Self {
            first: pause,
            most: pause,
        }
    }

    /// A pause of `first` that doubles with each further failure, up to `most`.
    #[must_use]
    pub const fn exponential(first: Duration, most: Duration) -> Self {
        Self { first, most }
    }

    /// The pause after this many failures, from 1.
    pub(super) fn pause(self, failures: u32) -> Duration {
        let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.first.saturating_mul(factor).min(self.most)
    }
}

impl From<Duration> for Backoff {
    fn from(pause: Duration) -> Self {
        Self::constant(pause)
    }
}

/// The options as they were set.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) catch_up: Duration,
    pub(super) rules: Rules,
    pub(super) ttl: Option<Duration>,
    pub(super) max_run: Option<Duration>,
    pub(super) jitter: Duration,
    pub(super) retries: u32,
    pub(super) backoff: Backoff,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            catch_up: CATCH_UP,
            rules: Rules::default(),
            ttl: None,
            max_run: None,
            jitter: Duration::ZERO,
            retries: 0,
            backoff: Backoff::constant(Duration::ZERO),
        }
    }
}

/// The options after the checks.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) rules: Rules,
    pub(super) ttl: Option<Duration>,
    pub(super) max_run: Option<Duration>,
    pub(super) retries: u32,
    pub(super) backoff: Backoff,
    pub(super) retention: Duration,
}

impl Settings {
    pub(super) fn checked(&self, core: &Core, name: &str) -> Result<Options> {
        let ttl = self.ttl.unwrap_or(core.defaults.ttl);
        config::check_ttl(ttl, core.nodes.max_ttl)?;
        let what = "a firing that old is better listed in a database";
        config::check_up_to("catch_up", self.catch_up, MIN_DURATION, MAX_CATCH_UP, what)?;
        if let Some(most) = self.max_run {
            config::check("max_run", most, MIN_DURATION, "leave it out")?;
        }
        let shorter = "use a shorter one";
        config::check("jitter", self.jitter, Duration::ZERO, shorter)?;
        for pause in [self.backoff.first, self.backoff.most] {
            config::check("the pause of `retry`", pause, Duration::ZERO, shorter)?;
        }
        Ok(Options {
            rules: Rules {
                catch_up: micros(self.catch_up),
                late: micros(ttl),
                delay: part_of(micros(self.jitter), name),
                ..self.rules
            },
            ttl: self.ttl,
            max_run: self.max_run,
            retries: self.retries,
            backoff: self.backoff,
            retention: retention(self.catch_up, core.nodes.max_ttl),
        })
    }
}

/// A part of `most` that is the same for the same name in each version of this crate (FNV-1a, 64 bits).
fn part_of(most: u64, name: &str) -> u64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash.checked_rem(most).unwrap_or(0)
}

/// How long the record of a job is kept after it was written.
pub(super) fn retention(catch_up: Duration, max_ttl: Duration) -> Duration {
    catch_up.saturating_add(max_ttl).saturating_add(KEPT)
}

/// The retention for a reader that does not know the options of the job.
pub(super) fn usual_retention(max_ttl: Duration) -> Duration {
    retention(CATCH_UP, max_ttl)
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growing_pause_doubles_up_to_its_limit() {
        let seconds = Duration::from_secs;
        let pauses = |backoff: Backoff| [1, 2, 3, 4, 100].map(|n| backoff.pause(n).as_secs());
        let growing = Backoff::exponential(seconds(5), seconds(30));
        assert_eq!(pauses(growing), [5, 10, 20, 30, 30]);
        assert_eq!(pauses(seconds(5).into()), [5; 5]);
        let endless = Backoff::exponential(seconds(5), Duration::MAX);
        assert!(endless.pause(u32::MAX) > seconds(5 << 30));
    }
}
