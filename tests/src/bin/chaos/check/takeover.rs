//! I7: after a holder was killed, the next grant comes within the ttl, a millisecond, the jitter and a round trip.

use std::time::Duration;

use super::bounds::SCHEDULING;
use super::{Check, Run};
use crate::config::{SLOW_KEY, TTL};
use crate::history::Grant;
use crate::run::recovery::Recovery;
use crate::timestamp::between;

/// A waiter asks no later than this after the end of a lease: the last millisecond of the key, and the jitter.
const JITTER: Duration = Duration::from_millis(3);

pub(super) fn check(run: &Run, recovery: &Recovery) -> Check {
    let mut check = Check::of("I7 a dead holder blocks for one ttl");
    let bound = TTL + JITTER + SCHEDULING;
    let mut delays = Vec::new();
    for (killed, victim) in &recovery.kills {
        let next = |grant: &&Grant| {
            grant.key == SLOW_KEY && grant.returned > *killed && grant.client != *victim
        };
        let grants = run.history.grants.iter().filter(next);
        let Some(next) = grants.min_by_key(|grant| grant.returned) else {
            check.violation(format!("no grant after {victim} was killed"));
            continue;
        };
        let delay = between(*killed, next.returned);
        if delay > bound {
            check.violation(format!(
                "{} came {delay:?} after {victim} was killed",
                next.id
            ));
        }
        delays.push(format!("{} ms", delay.as_millis()));
    }
    check.figures = format!("next grant after {} (ttl {TTL:?})", delays.join(", "));
    check
}
