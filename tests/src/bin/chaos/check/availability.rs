//! For how much of the storm a lock could be had, and how long it took.

use std::time::Duration;

use super::Run;
use crate::events::stopped;
use crate::history::Grant;
use crate::stamp::{Stamp, between};
use crate::terms::{QUICK_KEYS, SLOW_KEY};

#[derive(Debug, Default)]
pub(crate) struct Availability {
    /// Of the time, in percent.
    pub(crate) percent: f64,
    pub(crate) longest_outage: Duration,
    pub(crate) uncontended: Slowest,
    pub(crate) contended: Slowest,
}

/// How long acquires took, without those of clients that were stopped meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Slowest {
    pub(crate) count: usize,
    pub(crate) median: Duration,
    pub(crate) slowest: Duration,
}

pub(crate) fn measure(run: &Run) -> Availability {
    let is_probe = |key: &str| key.starts_with("probe:");
    let mut looks: Vec<(Stamp, bool)> = Vec::new();
    looks.extend(
        run.history
            .grants
            .iter()
            .filter(|it| is_probe(&it.key))
            .map(|it| (it.returned, true)),
    );
    looks.extend(
        run.history
            .misses
            .iter()
            .filter(|it| is_probe(&it.key))
            .map(|it| (it.returned, false)),
    );
    looks.sort_unstable();
    looks.retain(|(at, _)| (run.storm.0..=run.storm.1).contains(at));

    // Each look speaks for the time since the one before.
    let (mut had, mut all, mut outage, mut longest) = (0, 0, 0, 0);
    let mut since = run.storm.0;
    for (at, granted) in looks {
        let span = at - since;
        all += span;
        if granted {
            had += span;
            outage = 0;
        } else {
            outage += span;
            longest = longest.max(outage);
        }
        since = at;
    }
    Availability {
        percent: 100.0 * had as f64 / all.max(1) as f64,
        longest_outage: Duration::from_nanos(longest),
        uncontended: slowest(run, |grant| is_probe(&grant.key)),
        contended: slowest(run, |grant| {
            grant.key == SLOW_KEY || QUICK_KEYS.contains(&grant.key.as_str())
        }),
    }
}

fn slowest(run: &Run, which: impl Fn(&Grant) -> bool) -> Slowest {
    let mut times: Vec<Duration> = run
        .history
        .grants
        .iter()
        .filter(|grant| which(grant))
        .filter(|grant| !stopped(&run.events, &grant.client, grant.call, grant.returned))
        .map(|grant| between(grant.call, grant.returned))
        .collect();
    times.sort_unstable();
    Slowest {
        count: times.len(),
        median: times.get(times.len() / 2).copied().unwrap_or_default(),
        slowest: times.last().copied().unwrap_or_default(),
    }
}
