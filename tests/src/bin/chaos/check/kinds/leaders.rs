//! I14: in the order of their tokens, the term of a leader ends before the next one begins.

use super::super::{Check, Run, overlap};
use crate::history::Kind;

pub(super) fn check(run: &Run) -> Check {
    let mut check = Check::of("I14 one leader at a time");
    let mut count = 0;
    for mut terms in run.by_key(|kind| kind == Kind::Term) {
        count += terms.len();
        terms.sort_by_key(|term| term.token);
        for pair in terms.windows(2) {
            let [earlier, later] = pair else { continue };
            if overlap::held_until(run, earlier) > later.returned {
                overlap::violation(run, &mut check, earlier, later);
            }
        }
    }
    check.figures = format!("{count} terms");
    check
}
