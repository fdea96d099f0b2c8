//! I2: a request that began after a grant returned gets a larger token, and no token is granted twice.

use std::collections::HashMap;

use super::{Check, Run, seconds};
use crate::config::{CLOCK_SKEW, is_probe_key};
use crate::history::{Grant, Kind};
use crate::timestamp::ns;

pub(super) fn check(run: &Run) -> Check {
    let mut check = Check::of("I2 tokens increase");
    for grants in run.by_key(Kind::is_exclusive) {
        unique(&grants, &mut check);
        increasing(run, &grants, &grants, &mut check);
    }
    let one_round = |uncontended: bool| {
        let all = run.history.grants.iter();
        let grants: Vec<&Grant> = all
            .filter(|grant| !uncontended || is_probe_key(&grant.key))
            .collect();
        let one = grants.iter().filter(|grant| grant.rounds == 1).count();
        100.0 * one as f64 / grants.len().max(1) as f64
    };
    check.figures = format!(
        "in one round trip: {:.1} % of all grants, {:.1} % of the uncontended",
        one_round(false),
        one_round(true)
    );
    check
}

pub(super) fn unique(grants: &[&Grant], check: &mut Check) {
    let mut owners: HashMap<u64, &Grant> = HashMap::new();
    for grant in grants {
        if let Some(other) = owners.insert(grant.token, grant) {
            check.violation(format!(
                "{}: token {} was granted to {} and to {}",
                grant.key, grant.token, other.id, grant.id
            ));
        }
    }
}

/// Each of `later` has a larger token than those of `earlier` that had returned when it began. Both
/// are in the order of their returns.
pub(super) fn increasing(run: &Run, earlier: &[&Grant], later: &[&Grant], check: &mut Check) {
    let mut by_begin = later.to_vec();
    by_begin.sort_by_key(|grant| grant.began);
    // The largest token among those returned before the current one began.
    let (mut returned, mut largest) = (earlier.iter().peekable(), None::<&Grant>);
    for grant in by_begin {
        while let Some(earlier) = returned.next_if(|earlier| earlier.returned < grant.began) {
            if largest.is_none_or(|largest| earlier.token > largest.token) {
                largest = Some(earlier);
            }
        }
        let Some(earlier) = largest.filter(|earlier| earlier.token >= grant.token) else {
            continue;
        };
        // Where a node lost its fence, only the clocks order tokens, each within the skew bound.
        let close = grant.began.saturating_sub(earlier.began) <= 2 * ns(CLOCK_SKEW);
        if close && run.flushed(earlier.began, grant.returned) {
            check.excused += 1;
        } else {
            check.violation(format!(
                "{}: {} returned at {} with token {}, then {} began at {} and got {}",
                grant.key,
                earlier.id,
                seconds(run, earlier.returned),
                earlier.token,
                grant.id,
                seconds(run, grant.began),
                grant.token
            ));
        }
    }
}
