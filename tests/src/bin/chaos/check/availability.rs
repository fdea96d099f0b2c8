//! For how much of the storm a lock could be had, and how long it took.

use std::time::Duration;

use super::Run;
use crate::events::{What, stopped};
use crate::history::Grant;
use crate::stamp::{Stamp, between, ns};
use crate::terms::{GUARD_TIME, NODES, QUICK_KEYS, QUORUM, SLOW_KEY};

#[derive(Debug, Default)]
pub(crate) struct Availability {
    /// Of the time, in percent.
    pub(crate) percent: f64,
    /// Of the time in which a majority of the nodes ran and had votes.
    pub(crate) percent_of_possible: f64,
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
    let (mut had_of_possible, mut possible) = (0, 0);
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
        if majority(run, since, at) {
            possible += span;
            had_of_possible += if granted { span } else { 0 };
        }
        since = at;
    }
    let percent = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
    Availability {
        percent: percent(had, all),
        percent_of_possible: percent(had_of_possible, possible),
        longest_outage: Duration::from_nanos(longest),
        uncontended: slowest(run, |grant| is_probe(&grant.key)),
        contended: slowest(run, |grant| {
            grant.key == SLOW_KEY || QUICK_KEYS.contains(&grant.key.as_str())
        }),
    }
}

/// Whether a majority of the nodes ran and had votes for all of that time, whatever the network did.
fn majority(run: &Run, from: Stamp, to: Stamp) -> bool {
    let usable = |node: usize| {
        !run.events.iter().any(|event| {
            let until = match &event.what {
                What::Hung { node: it } if *it == node => event.to,
                What::Restart { node: it } if *it == node => event.to + ns(GUARD_TIME),
                What::Flush { node: it } if *it == node && run.strict => event.to + ns(GUARD_TIME),
                _ => return false,
            };
            event.from <= to && from <= until
        })
    };
    (0..NODES).filter(|node| usable(*node)).count() >= QUORUM
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
