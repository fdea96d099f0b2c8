//! The checker: each invariant over the history of a run. What it excuses, it names and counts.

mod availability;
mod calm;
mod exclusion;
mod resource;
mod tokens;
mod validity;

pub(crate) use availability::{Availability, Slowest};

use crate::calm::Calm;
use crate::events::{Event, What, during};
use crate::history::{Grant, History};
use crate::resource::Cell;
use crate::stamp::Stamp;

/// What came of one invariant.
#[derive(Debug, Default)]
pub(crate) struct Check {
    pub(crate) invariant: &'static str,
    pub(crate) violations: Vec<String>,
    /// What would be a violation, had the nemesis not done what the guard documents as not covered.
    pub(crate) excused: usize,
    pub(crate) figures: String,
}

/// All that is known of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) history: History,
    pub(crate) events: Vec<Event>,
    pub(crate) cells: Vec<Cell>,
    pub(crate) calm: Calm,
    /// From when to when the nemesis raged.
    pub(crate) storm: (Stamp, Stamp),
    /// FLUSHALL is no excuse.
    pub(crate) strict: bool,
    /// Without a guard only the exclusion is of interest.
    pub(crate) control: bool,
}

pub(crate) fn all(run: &Run) -> Vec<Check> {
    let exclusion = exclusion::check(run);
    if run.control {
        return vec![exclusion];
    }
    vec![
        exclusion,
        tokens::check(run),
        resource::check(&run.cells),
        validity::check(run),
        calm::rest(run),
        calm::handover(run),
        calm::outage(run),
        calm::bounds(run),
    ]
}

pub(crate) fn availability(run: &Run) -> Availability {
    availability::measure(run)
}

impl Run {
    /// Whether a node was flushed under the same run id in that time, which the default guard cannot see.
    fn flushed(&self, from: Stamp, to: Stamp) -> bool {
        !self.strict
            && during(&self.events, from, to).any(|event| matches!(event.what, What::Flush { .. }))
    }

    /// The grants of each key, in the order in which they were returned.
    fn by_key(&self) -> Vec<Vec<&Grant>> {
        let mut keys: std::collections::BTreeMap<&str, Vec<&Grant>> =
            std::collections::BTreeMap::new();
        for grant in &self.history.grants {
            keys.entry(&grant.key).or_default().push(grant);
        }
        for grants in keys.values_mut() {
            grants.sort_by_key(|grant| grant.returned);
        }
        keys.into_values().collect()
    }
}

/// A stamp as the seconds since the storm began.
fn seconds(run: &Run, stamp: Stamp) -> String {
    let ns = i128::from(stamp) - i128::from(run.storm.0);
    format!(
        "{}{}.{:06}",
        if ns < 0 { "-" } else { "" },
        ns.abs() / 1_000_000_000,
        ns.abs() / 1_000 % 1_000_000
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calm::{Bounds, Rest};
    use std::time::Duration;

    const SECOND: Stamp = 1_000_000_000;

    /// A grant of key `k`: when it began and returned, until when it was valid, in seconds.
    fn grant(token: u64, began: Stamp, returned: Stamp, valid: Stamp) -> Grant {
        Grant {
            id: format!("g{token}"),
            client: format!("w{token}.1"),
            key: "k".into(),
            token,
            rounds: 1,
            call: began * SECOND,
            began: began * SECOND,
            returned: returned * SECOND,
            valid: valid * SECOND,
            letting: None,
            ended: None,
        }
    }

    fn run(grants: Vec<Grant>, events: Vec<Event>) -> Run {
        let rest = Rest {
            round_trip: Duration::ZERO,
            free_after: None,
            left: Vec::new(),
        };
        Run {
            history: History {
                grants,
                ..History::default()
            },
            events,
            cells: Vec::new(),
            calm: Calm {
                began: 0,
                kills: Vec::new(),
                outage: (0, 0),
                rest,
                clients: Vec::new(),
                bounds: Bounds::default(),
            },
            storm: (0, 0),
            strict: false,
            control: false,
        }
    }

    fn flush(at: Stamp) -> Event {
        Event {
            from: at * SECOND,
            to: at * SECOND,
            what: What::Flush { node: 0 },
        }
    }

    #[test]
    fn two_holders_at_a_time_are_found() {
        let apart = run(vec![grant(1, 0, 1, 5), grant(2, 5, 6, 9)], Vec::new());
        assert!(exclusion::check(&apart).violations.is_empty());
        let both = run(
            vec![grant(1, 0, 1, 9), grant(2, 2, 3, 4), grant(3, 5, 6, 7)],
            Vec::new(),
        );
        // The first overlaps both of the others, although one of them is over before the next.
        assert_eq!(exclusion::check(&both).violations.len(), 2);
    }

    #[test]
    fn who_let_go_holds_no_longer() {
        let mut early = grant(1, 0, 1, 9);
        early.letting = Some(2 * SECOND);
        let run = run(vec![early, grant(2, 2, 3, 9)], Vec::new());
        assert!(exclusion::check(&run).violations.is_empty());
    }

    #[test]
    fn a_flush_in_between_is_counted_as_an_excuse_unless_the_guard_covers_it() {
        let grants = || vec![grant(1, 0, 1, 9), grant(2, 4, 5, 9)];
        let flushed = exclusion::check(&run(grants(), vec![flush(3)]));
        assert_eq!((flushed.violations.len(), flushed.excused), (0, 1));
        let before = exclusion::check(&run(
            vec![grant(1, 2, 3, 9), grant(2, 4, 5, 9)],
            vec![flush(1)],
        ));
        assert_eq!((before.violations.len(), before.excused), (1, 0));
        let mut strict = run(grants(), vec![flush(3)]);
        strict.strict = true;
        assert_eq!(exclusion::check(&strict).violations.len(), 1);
    }

    #[test]
    fn tokens_that_fall_back_or_come_twice_are_found() {
        let grows = run(vec![grant(1, 0, 1, 2), grant(2, 3, 4, 5)], Vec::new());
        assert!(tokens::check(&grows).violations.is_empty());
        let falls = run(vec![grant(2, 0, 1, 2), grant(1, 3, 4, 5)], Vec::new());
        assert_eq!(tokens::check(&falls).violations.len(), 1);
        let twice = run(vec![grant(7, 0, 1, 2), grant(7, 3, 4, 5)], Vec::new());
        assert_eq!(tokens::check(&twice).violations.len(), 2);
        // Asked at the same time: nobody can say which is the later one.
        let side_by_side = run(vec![grant(2, 0, 4, 2), grant(1, 1, 3, 2)], Vec::new());
        assert!(tokens::check(&side_by_side).violations.is_empty());
    }
}
