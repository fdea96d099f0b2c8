//! I5: when all clients are idle, no lock key is left after a round trip and 50 ms.

use std::time::Duration;

use super::Check;
use super::bounds::SCHEDULING;
use crate::run::recovery::Recovery;

pub(super) fn check(recovery: &Recovery) -> Check {
    let mut check = Check::of("I5 nothing is left behind");
    let cleanup = &recovery.cleanup;
    let bound = cleanup.round_trip * 2 + Duration::from_millis(50) + SCHEDULING;
    match cleanup.free_after {
        Some(after) if after <= bound => {}
        Some(after) => check.violation(format!(
            "locks were left for {after:?}, more than {bound:?}"
        )),
        None => check.violation(format!("locks are left: {}", cleanup.left.join(", "))),
    }
    check.figures = format!(
        "no lock {:.1?} after the last release, listing the keys of all nodes takes {:.1?}",
        cleanup.free_after.unwrap_or_default(),
        cleanup.round_trip
    );
    check
}
