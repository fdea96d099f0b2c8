//! I3: what is guarded by tokens loses nothing; what is not does, or the run has proved nothing.

use super::Check;
use crate::resource::Cell;

pub(crate) fn check(cells: &[Cell]) -> Check {
    let mut check = Check {
        invariant: "I3 no lost update with tokens",
        ..Check::default()
    };
    let sum = |number: fn(&Cell) -> u64| cells.iter().map(number).sum::<u64>();
    let lost = sum(Cell::checked_lost);
    if lost > 0 {
        check.violations.push(format!(
            "{lost} additions were lost although tokens were checked"
        ));
    }
    let (writes, unchecked_lost) = (sum(|cell| cell.unchecked_writes), sum(Cell::unchecked_lost));
    if unchecked_lost == 0 {
        check.violations.push(
            "nothing was lost without the check either: no holder was paused in the right moment, so nothing is proved"
                .to_owned(),
        );
    }
    check.figures = format!(
        "{} writes, {} refused; the same without the check: {writes} writes, {unchecked_lost} lost",
        sum(|cell| cell.checked_writes),
        sum(|cell| cell.refused),
    );
    check
}
