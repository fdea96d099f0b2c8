//! I11: no more permits of a semaphore are held at a time than it has.

use super::super::{Check, Run, overlap, seconds};
use crate::config::PERMITS;
use crate::history::Kind;

pub(super) fn check(run: &Run) -> Check {
    let mut check = Check::of("I11 at most all permits");
    let (mut all_held, mut count) = (0, 0);
    for grants in run.by_key(|kind| kind == Kind::Permit) {
        count += grants.len();
        overlap::each(run, &grants, |open, grant| {
            let held = open.len() + 1;
            all_held += usize::from(held == PERMITS as usize);
            if held <= PERMITS as usize {
                return;
            }
            let began = open.iter().map(|earlier| earlier.began).min();
            if run.flushed(began.unwrap_or(grant.began), grant.returned) {
                check.excused += 1;
                return;
            }
            let others: Vec<&str> = open.iter().map(|earlier| &*earlier.id).collect();
            check.violation(format!(
                "{}: {} got a permit at {}, although {} hold all {PERMITS}",
                grant.key,
                grant.id,
                seconds(run, grant.returned),
                others.join(", "),
            ));
        });
    }
    check.figures = format!("{count} grants, {all_held} of the last free permit");
    check
}
