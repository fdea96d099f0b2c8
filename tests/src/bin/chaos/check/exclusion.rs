//! I1: from its return until it is let go or its validity ends, a grant of a key overlaps no other.

use super::{Check, Run, seconds};
use crate::history::Grant;

pub(crate) fn check(run: &Run) -> Check {
    let mut check = Check {
        invariant: "I1 one holder at a time",
        ..Check::default()
    };
    for grants in run.by_key() {
        // In the order of their returns; those before that are not over yet.
        let mut open: Vec<&Grant> = Vec::new();
        for grant in grants {
            open.retain(|earlier| earlier.until() > grant.returned);
            if grant.until() <= grant.returned {
                continue;
            }
            for earlier in &open {
                if run.flushed(earlier.began, grant.returned) {
                    check.excused += 1;
                } else {
                    check.violations.push(describe(run, earlier, grant));
                }
            }
            open.push(grant);
        }
    }
    check.figures = format!("{} grants", run.history.grants.len());
    check
}

fn describe(run: &Run, earlier: &Grant, later: &Grant) -> String {
    let one = |grant: &Grant| {
        format!(
            "{} (token {}, began {}, held {} to {})",
            grant.id,
            grant.token,
            seconds(run, grant.began),
            seconds(run, grant.returned),
            seconds(run, grant.until())
        )
    };
    format!("{}: {} and {}", later.key, one(earlier), one(later))
}
