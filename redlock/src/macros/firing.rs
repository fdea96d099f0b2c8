//! The options of a call that runs one firing of a schedule: how late it may begin, whether others wait for it, and for how long
//! it is remembered.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{Error, LockOptions, Redlock, Result, config};

/// For how long a firing is remembered by default. The clocks of the replicas, and the delays of their schedulers, may differ by
/// this much.
const REMEMBERED: Duration = Duration::from_secs(600);

/// The minimum ttl of a firing that is not run again. A replica that crashes has extended the lock within the last third of the
/// ttl, so at least two thirds are left: more than the 5 s by which clocks may differ.
const TTL: Duration = Duration::from_secs(10);

/// The longest `catch_up`: with the difference of the clocks, a key may be kept busy for that long.
const MOST: Duration = Duration::from_secs(364 * 24 * 3600);

/// What is known about the firing of a call.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules {
    pub(super) fires: bool,
    /// The scheduled instant, unless the firing is named by a text.
    pub(super) at: Option<SystemTime>,
    pub(super) reruns: bool,
    pub(super) catch_up: Option<Duration>,
}

impl Rules {
    /// Sets the options of the lock. Returns for how long the key is kept busy after the body has ended; `None` if `at_least`
    /// does that.
    pub(super) fn apply(
        &self,
        options: &mut LockOptions,
        lock: &Redlock,
        key: &str,
    ) -> Result<Option<Duration>> {
        if !self.fires {
            return Ok(None);
        }
        let left = self.time_left(lock, key)?;
        let remembered = options.at_least.or(self.remembered(lock));
        let remembered = remembered.unwrap_or(REMEMBERED);
        if self.reruns {
            // Only a body that has ended keeps the key busy: after a crash, one of those that wait gets it.
            options.at_least = None;
            options.wait = Some(left.unwrap_or(remembered));
            return Ok(Some(remembered));
        }
        options.at_least = Some(remembered);
        options.wait = Some(Duration::ZERO);
        // At most what the client allows: a larger ttl would be an error.
        let least = TTL.min(lock.max_ttl());
        options.ttl = options.ttl.map(|ttl| ttl.max(least));
        Ok(None)
    }

    /// How much of `catch_up` is left.
    fn time_left(&self, lock: &Redlock, key: &str) -> Result<Option<Duration>> {
        let Some((window, at)) = self.catch_up.zip(self.at) else {
            return Ok(None);
        };
        let remedy = "a firing that old is better listed in a database";
        config::check_up_to("catch_up", window, config::MIN_DURATION, MOST, remedy)?;
        let core = lock.core();
        let now = Duration::from_micros(core.nodes.tokens.micros(core.now()));
        let at = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let age = now.saturating_sub(at);
        let left = window
            .checked_sub(age)
            .filter(|left| *left >= config::MIN_DURATION);
        let left = left.ok_or_else(|| Error::firing_too_old(key, age, window))?;
        Ok(Some(left.min(window)))
    }

    /// Until no replica runs the firing any more, whatever its clock shows.
    fn remembered(&self, lock: &Redlock) -> Option<Duration> {
        let skew = lock.core().nodes.skew.saturating_mul(2);
        self.catch_up.map(|window| window.saturating_add(skew))
    }
}
