//! I3: counters that check tokens lose no update. Those that do not must lose some, or the run
//! proves nothing.

use super::Check;
use crate::resource::Counters;

pub(super) fn check(counters: &[Counters]) -> Check {
    let mut check = Check::of("I3 no lost update with tokens");
    let sum = |number: fn(&Counters) -> u64| counters.iter().map(number).sum::<u64>();
    let lost = sum(Counters::checked_lost);
    if lost > 0 {
        check.violation(format!("{lost} updates lost although tokens were checked"));
    }
    let (writes, unchecked_lost) = (
        sum(|counters| counters.unchecked_writes),
        sum(Counters::unchecked_lost),
    );
    if unchecked_lost == 0 {
        check.violation(
            "no update was lost without the check either: no paused holder was overtaken, so the run proves nothing"
                .to_owned(),
        );
    }
    check.figures = format!(
        "{} writes, {} refused; without the check: {writes} writes, {unchecked_lost} lost",
        sum(|counters| counters.checked_writes),
        sum(|counters| counters.refused),
    );
    check
}
