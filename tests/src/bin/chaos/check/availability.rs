//! The availability of locks during the faults, and the latency of acquires.

use std::time::Duration;

use super::Run;
use crate::config::{GUARD_TIME, HOT_KEYS, NODES, QUORUM, is_probe_key};
use crate::history::{EventKind, Grant, Kind, paused};
use crate::timestamp::{Timestamp, between, ns};

#[derive(Debug, Default)]
pub(crate) struct Availability {
    /// Percent of the time.
    pub(crate) percent: f64,
    /// Percent of the time in which a majority of the nodes ran and had votes.
    pub(crate) percent_of_possible: f64,
    pub(crate) longest_outage: Duration,
    pub(crate) uncontended: Latency,
    pub(crate) contended: Latency,
}

/// How long acquires took, without those of clients that were paused meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    pub(crate) count: usize,
    pub(crate) median: Duration,
    pub(crate) slowest: Duration,
}

pub(super) fn measure(run: &Run) -> Availability {
    // Each attempt of the probe stands for the time since the one before.
    let (mut available, mut all, mut outage, mut longest) = (0, 0, 0, 0);
    let (mut available_of_possible, mut possible) = (0, 0);
    let mut since = run.faults.0;
    for (at, granted) in probe_attempts(run) {
        let span = at - since;
        all += span;
        if granted {
            available += span;
            outage = 0;
        } else {
            outage += span;
            longest = longest.max(outage);
        }
        if majority(run, since, at) {
            possible += span;
            available_of_possible += if granted { span } else { 0 };
        }
        since = at;
    }
    let percent = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
    Availability {
        percent: percent(available, all),
        percent_of_possible: percent(available_of_possible, possible),
        longest_outage: Duration::from_nanos(longest),
        uncontended: latency(run, |grant| is_probe_key(&grant.key)),
        contended: latency(run, |grant| {
            grant.kind == Kind::Lock && HOT_KEYS.contains(&grant.key.as_str())
        }),
    }
}

/// When each attempt of the probe returned, and whether it was granted.
fn probe_attempts(run: &Run) -> Vec<(Timestamp, bool)> {
    let granted = run.history.grants.iter();
    let granted = granted
        .filter(|grant| is_probe_key(&grant.key))
        .map(|grant| (grant.returned, true));
    let failed = run.history.failures.iter();
    let failed = failed
        .filter(|failure| is_probe_key(&failure.key))
        .map(|failure| (failure.returned, false));
    let mut attempts: Vec<(Timestamp, bool)> = granted.chain(failed).collect();
    attempts.sort_unstable();
    attempts.retain(|(at, _)| (run.faults.0..=run.faults.1).contains(at));
    attempts
}

/// Whether a majority of the nodes ran and had votes for all of that time, whatever the network
/// did.
fn majority(run: &Run, from: Timestamp, to: Timestamp) -> bool {
    let usable = |node: usize| {
        !run.events.iter().any(|event| {
            let until = match &event.kind {
                EventKind::Hung { node: it } if *it == node => event.to,
                EventKind::Restarted { node: it } if *it == node => event.to + ns(GUARD_TIME),
                EventKind::Flushed { node: it } if *it == node && run.strict => {
                    event.to + ns(GUARD_TIME)
                }
                _ => return false,
            };
            event.from <= to && from <= until
        })
    };
    (0..NODES).filter(|node| usable(*node)).count() >= QUORUM
}

fn latency(run: &Run, of: impl Fn(&Grant) -> bool) -> Latency {
    let mut times: Vec<Duration> = run
        .history
        .grants
        .iter()
        .filter(|grant| of(grant))
        .filter(|grant| !paused(&run.events, &grant.client, grant.called, grant.returned))
        .map(|grant| between(grant.called, grant.returned))
        .collect();
    times.sort_unstable();
    Latency {
        count: times.len(),
        median: times.get(times.len() / 2).copied().unwrap_or_default(),
        slowest: times.last().copied().unwrap_or_default(),
    }
}
