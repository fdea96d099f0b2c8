//! I10: nobody reads or writes beside a writer. The token of a writer is larger than those of all
//! before it, and that of a reader larger than those of the writers before it.

use super::super::{Check, Run, overlap, tokens};
use crate::history::{Grant, Kind};

pub(super) fn check(run: &Run) -> Check {
    let mut check = Check::of("I10 no reader beside a writer");
    let (mut together, mut count) = (0, 0);
    for grants in run.by_key(|kind| matches!(kind, Kind::Read | Kind::Write)) {
        count += grants.len();
        overlap::each(run, &grants, |open, grant| {
            for earlier in open {
                if earlier.kind == Kind::Write || grant.kind == Kind::Write {
                    overlap::violation(run, &mut check, earlier, grant);
                }
            }
            together += usize::from(!open.is_empty());
        });
        let of = |kind| -> Vec<&Grant> {
            let grants = grants.iter().copied();
            grants.filter(|grant| grant.kind == kind).collect()
        };
        let (writers, readers) = (of(Kind::Write), of(Kind::Read));
        tokens::unique(&writers, &mut check);
        tokens::increasing(run, &grants, &writers, &mut check);
        tokens::increasing(run, &writers, &readers, &mut check);
    }
    check.figures = format!("{count} grants, {together} readers beside another");
    check
}
