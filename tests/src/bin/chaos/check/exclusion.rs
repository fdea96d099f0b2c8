//! I1: from its return until its release or the end of its validity, a grant of a key overlaps no
//! other.

use super::{Check, Run, overlap};
use crate::history::Kind;

pub(super) fn check(run: &Run) -> Check {
    let mut check = Check::of("I1 one holder at a time");
    let mut count = 0;
    for grants in run.by_key(Kind::is_exclusive) {
        count += grants.len();
        overlap::each(run, &grants, |open, grant| {
            for earlier in open {
                overlap::violation(run, &mut check, earlier, grant);
            }
        });
    }
    check.figures = format!("{count} grants");
    check
}
