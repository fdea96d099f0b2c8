//! I8: a request fails by its deadline; after an outage of a majority, the first grant comes within
//! one back-off.

use std::time::Duration;

use super::bounds::SCHEDULING;
use super::{Check, Run};
use crate::config::NODE_TIMEOUT;
use crate::history::paused;
use crate::run::recovery::Recovery;
use crate::timestamp::between;

/// The longest pause before a connection is tried again, and that of a waiter without a quorum.
const BACK_OFF: Duration = Duration::from_millis(1_000 + 500);

pub(super) fn check(run: &Run, recovery: &Recovery) -> Check {
    let mut check = Check::of("I8 an error in time, and back in time");
    let latest = deadlines(run, &mut check);
    let first = recovered(run, recovery, &mut check);
    check.figures = format!(
        "latest error {latest:.0?} over its wait, first grant {:.0?} after the outage",
        first.unwrap_or_default()
    );
    check
}

/// Returns the longest time by which an error exceeded the wait of its request.
fn deadlines(run: &Run, check: &mut Check) -> Duration {
    let mut latest = Duration::ZERO;
    for failure in &run.history.failures {
        if failure.reason == "dropped"
            || paused(
                &run.events,
                &failure.client,
                failure.called,
                failure.returned,
            )
        {
            continue;
        }
        let late = between(failure.called, failure.returned).saturating_sub(failure.wait);
        latest = latest.max(late);
        // After stale tokens there are up to two further rounds, each with a fifth of the time.
        if late > NODE_TIMEOUT * 7 / 5 + SCHEDULING {
            check.violation(format!(
                "{}: {} on {} came {late:?} after a wait of {:?}",
                failure.client, failure.reason, failure.key, failure.wait
            ));
        }
    }
    latest
}

/// Returns how long after the outage the first grant came.
fn recovered(run: &Run, recovery: &Recovery, check: &mut Check) -> Option<Duration> {
    let (from, resumed) = recovery.outage;
    let reported = run.history.failures.iter().any(|failure| {
        failure.reason == "NoQuorum" && failure.returned > from && failure.returned < resumed
    });
    if !reported {
        check.violation("a majority hung, but no request failed without a quorum".to_owned());
    }
    let returns = run.history.grants.iter().map(|grant| grant.returned);
    let first = returns.filter(|at| *at > resumed).min();
    let delay = first.map(|first| between(resumed, first));
    if delay.is_none_or(|delay| delay > BACK_OFF + NODE_TIMEOUT + SCHEDULING) {
        check.violation(format!("the first grant came {delay:?} after the outage"));
    }
    delay
}
