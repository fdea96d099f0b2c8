//! The checker: each invariant over the history of a run. Excused violations are counted and named.

mod availability;
mod bounds;
mod cleanup;
mod exclusion;
pub(crate) mod kinds;
mod outage;
mod overlap;
mod resource;
mod takeover;
mod tokens;
mod validity;

#[cfg(test)]
mod tests;

pub(crate) use availability::{Availability, Latency};

use crate::args::Control;
use crate::history::{Event, EventKind, Grant, History, Kind, during};
use crate::resource::Counters;
use crate::run::recovery::Recovery;
use crate::timestamp::Timestamp;

/// The result of one invariant.
#[derive(Debug, Default)]
pub(crate) struct Check {
    pub(crate) invariant: &'static str,
    pub(crate) violations: Vec<String>,
    /// Violations that are excused by a fault that the guard does not cover, as documented.
    pub(crate) excused: usize,
    pub(crate) figures: String,
}

impl Check {
    fn of(invariant: &'static str) -> Self {
        Self {
            invariant,
            ..Self::default()
        }
    }

    fn violation(&mut self, text: String) {
        self.violations.push(text);
    }
}

/// Everything that is known about a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) history: History,
    pub(crate) events: Vec<Event>,
    pub(crate) counters: Vec<Counters>,
    /// `None` while faults are being injected.
    pub(crate) recovery: Option<Recovery>,
    /// From when to when faults were injected.
    pub(crate) faults: (Timestamp, Timestamp),
    /// Under the strict guard, FLUSHALL excuses nothing.
    pub(crate) strict: bool,
    /// A control checks exclusion only.
    pub(crate) control: Option<Control>,
}

pub(crate) fn all(run: &Run) -> Vec<Check> {
    let mut checks = vec![exclusion::check(run)];
    if run.control.is_some() {
        return checks;
    }
    checks.extend([
        tokens::check(run),
        resource::check(&run.counters),
        validity::check(run),
    ]);
    if let Some(recovery) = &run.recovery {
        checks.extend([
            cleanup::check(recovery),
            takeover::check(run, recovery),
            outage::check(run, recovery),
            bounds::check(run, recovery),
        ]);
    }
    checks.extend(kinds::all(run));
    checks
}

/// The invariants that can be checked while faults are being injected.
pub(crate) fn during_faults(run: &Run) -> Vec<Check> {
    let mut checks = vec![
        exclusion::check(run),
        tokens::check(run),
        validity::check(run),
    ];
    checks.extend(kinds::all(run));
    checks
}

pub(crate) fn availability(run: &Run) -> Availability {
    availability::measure(run)
}

impl Run {
    /// Whether a node was flushed under the same run id in that time, which the observed guard
    /// cannot see.
    fn flushed(&self, from: Timestamp, to: Timestamp) -> bool {
        let flush = |event: &Event| matches!(event.kind, EventKind::Flushed { .. });
        !self.strict && during(&self.events, from, to).any(flush)
    }

    /// The grants of these kinds by key, in the order in which they were returned.
    fn by_key(&self, is_one: impl Fn(Kind) -> bool) -> Vec<Vec<&Grant>> {
        let mut keys: std::collections::BTreeMap<&str, Vec<&Grant>> =
            std::collections::BTreeMap::new();
        for grant in self
            .history
            .grants
            .iter()
            .filter(|grant| is_one(grant.kind))
        {
            keys.entry(&grant.key).or_default().push(grant);
        }
        for grants in keys.values_mut() {
            grants.sort_by_key(|grant| grant.returned);
        }
        keys.into_values().collect()
    }
}

/// A time as seconds since the first fault.
fn seconds(run: &Run, at: Timestamp) -> String {
    let ns = i128::from(at) - i128::from(run.faults.0);
    format!(
        "{}{}.{:06}",
        if ns < 0 { "-" } else { "" },
        ns.abs() / 1_000_000_000,
        ns.abs() / 1_000 % 1_000_000
    )
}
