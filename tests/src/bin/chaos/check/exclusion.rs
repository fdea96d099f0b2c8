//! I1: from its return until its release or the end of its validity, a grant of a key overlaps no
//! other.

use super::{Check, Run, seconds};
use crate::args::Control;
use crate::history::Grant;
use crate::timestamp::Timestamp;

pub(super) fn check(run: &Run) -> Check {
    let mut check = Check::of("I1 one holder at a time");
    for grants in run.by_key() {
        // In the order of their returns; `open` are those before that have not ended.
        let mut open: Vec<&Grant> = Vec::new();
        for grant in grants {
            open.retain(|earlier| held_until(run, earlier) > grant.returned);
            // The recovery hangs a majority, which must not be attributed to the network.
            let recovering =
                run.control == Some(Control::IgnoredLoss) && grant.returned > run.faults.1;
            if recovering || held_until(run, grant) <= grant.returned {
                continue;
            }
            for earlier in &open {
                if run.flushed(earlier.began, grant.returned) {
                    check.excused += 1;
                } else {
                    check.violation(describe(run, earlier, grant));
                }
            }
            open.push(grant);
        }
    }
    check.figures = format!("{} grants", run.history.grants.len());
    check
}

/// Until when a grant counts as held.
fn held_until(run: &Run, grant: &Grant) -> Timestamp {
    match (run.control, grant.releasing) {
        (Some(Control::IgnoredLoss), Some(releasing)) => releasing,
        _ => grant.held_until(),
    }
}

fn describe(run: &Run, earlier: &Grant, later: &Grant) -> String {
    let one = |grant: &Grant| {
        format!(
            "{} (token {}, began {}, held {} to {})",
            grant.id,
            grant.token,
            seconds(run, grant.began),
            seconds(run, grant.returned),
            seconds(run, held_until(run, grant))
        )
    };
    format!("{}: {} and {}", later.key, one(earlier), one(later))
}
