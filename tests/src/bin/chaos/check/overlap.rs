//! Grants that are held at the same time.

use super::{Check, Run, seconds};
use crate::args::Control;
use crate::history::Grant;
use crate::timestamp::Timestamp;

/// Calls `on_grant` with each grant, and with those before it that are still held when it returns.
/// `grants` are in the order of their returns.
pub(super) fn each<'a>(
    run: &Run,
    grants: &[&'a Grant],
    mut on_grant: impl FnMut(&[&'a Grant], &'a Grant),
) {
    let mut open: Vec<&Grant> = Vec::new();
    for &grant in grants {
        open.retain(|earlier| held_until(run, earlier) > grant.returned);
        // The recovery hangs a majority, which must not be attributed to the network.
        let recovering = run.control == Some(Control::IgnoredLoss) && grant.returned > run.faults.1;
        if recovering || held_until(run, grant) <= grant.returned {
            continue;
        }
        on_grant(&open, grant);
        open.push(grant);
    }
}

/// Until when a grant counts as held.
pub(super) fn held_until(run: &Run, grant: &Grant) -> Timestamp {
    match (run.control, grant.releasing) {
        (Some(Control::IgnoredLoss), Some(releasing)) => releasing,
        _ => grant.held_until(),
    }
}

/// Two grants exclude each other and are held at the same time.
pub(super) fn violation(run: &Run, check: &mut Check, earlier: &Grant, later: &Grant) {
    if run.flushed(earlier.began, later.returned) {
        check.excused += 1;
    } else {
        check.violation(format!(
            "{}: {} and {}",
            later.key,
            describe(run, earlier),
            describe(run, later)
        ));
    }
}

pub(super) fn describe(run: &Run, grant: &Grant) -> String {
    format!(
        "{} {} (token {}, began {}, held {} to {})",
        grant.kind,
        grant.id,
        grant.token,
        seconds(run, grant.began),
        seconds(run, grant.returned),
        seconds(run, held_until(run, grant))
    )
}
