//! I5, I7, I8 and I9: measured in the calm.

use std::time::Duration;

use super::{Check, Run};
use crate::events::stopped;
use crate::history::Grant;
use crate::stamp::between;
use crate::terms::{LAST_WAIT, MOST_KEYS, NODE_TIMEOUT, QUICK_KEYS, SLOW_KEY, TTL};

/// What the processes of a busy machine may take to be scheduled.
const BUSY: Duration = Duration::from_millis(250);
/// A waiter asks this much after the end of a lease, at most: the key's last millisecond, and the jitter.
const LATE: Duration = Duration::from_millis(3);
/// The longest pause before a node is connected to again, and of a waiter that found no quorum.
const BACK_OFF: Duration = Duration::from_millis(1_000 + 500);
/// In KiB. A client in a debug build takes a quarter of it.
const MOST_MEMORY: u64 = 64 << 10;

/// I5: with everybody at rest no lock is left within a round trip and 50 ms.
pub(crate) fn rest(run: &Run) -> Check {
    let mut check = Check {
        invariant: "I5 nothing is left behind",
        ..Check::default()
    };
    let rest = &run.calm.rest;
    let bound = rest.round_trip * 2 + Duration::from_millis(50) + BUSY;
    match rest.free_after {
        Some(after) if after <= bound => {}
        Some(after) => check.violations.push(format!(
            "locks were left for {after:?}, more than {bound:?}"
        )),
        None => check
            .violations
            .push(format!("locks are left: {}", rest.left.join(", "))),
    }
    check.figures = format!(
        "no lock {:.1?} after the last release, a look at all nodes takes {:.1?}",
        rest.free_after.unwrap_or_default(),
        rest.round_trip
    );
    check
}

/// I7: the next grant comes within a ttl of the holder's death, a millisecond, the jitter and a round trip.
pub(crate) fn handover(run: &Run) -> Check {
    let mut check = Check {
        invariant: "I7 a dead holder blocks for one ttl",
        ..Check::default()
    };
    let bound = TTL + LATE + BUSY;
    let mut delays = Vec::new();
    for (killed, victim) in &run.calm.kills {
        let next = |grant: &&Grant| {
            grant.key == SLOW_KEY && grant.returned > *killed && grant.client != *victim
        };
        let Some(next) = run
            .history
            .grants
            .iter()
            .filter(next)
            .min_by_key(|grant| grant.returned)
        else {
            check
                .violations
                .push(format!("nobody got the lock after {victim} had died"));
            continue;
        };
        let delay = between(*killed, next.returned);
        if delay > bound {
            check.violations.push(format!(
                "{} got the lock {delay:?} after {victim} had died",
                next.id
            ));
        }
        delays.push(format!("{} ms", delay.as_millis()));
    }
    check.figures = format!("next grant after {} (ttl {TTL:?})", delays.join(", "));
    check
}

/// I8: an error by the deadline, always; and the first grant within one back-off after a majority is back.
pub(crate) fn outage(run: &Run) -> Check {
    let mut check = Check {
        invariant: "I8 an error in time, and back in time",
        ..Check::default()
    };
    let mut worst = Duration::ZERO;
    for miss in &run.history.misses {
        if miss.why == "dropped" || stopped(&run.events, &miss.client, miss.call, miss.returned) {
            continue;
        }
        let late = between(miss.call, miss.returned).saturating_sub(miss.wait);
        worst = worst.max(late);
        // Two further rounds, where tokens were stale, have a fifth each.
        if late > NODE_TIMEOUT * 7 / 5 + BUSY {
            check.violations.push(format!(
                "{}: {} on {} came {late:?} after a wait of {:?}",
                miss.client, miss.why, miss.key, miss.wait
            ));
        }
    }
    let (from, healed) = run.calm.outage;
    let told = run
        .history
        .misses
        .iter()
        .any(|miss| miss.why == "NoQuorum" && miss.returned > from && miss.returned < healed);
    if !told {
        check
            .violations
            .push("a majority hung, and nobody was told that there is no quorum".to_owned());
    }
    let first = run
        .history
        .grants
        .iter()
        .map(|grant| grant.returned)
        .filter(|at| *at > healed)
        .min();
    let back = first.map(|first| between(healed, first));
    let bound = BACK_OFF + NODE_TIMEOUT + BUSY;
    if back.is_none_or(|back| back > bound) {
        check.violations.push(format!(
            "the first grant came {back:?} after a majority was back"
        ));
    }
    check.figures = format!(
        "latest error {worst:.0?} over its wait, first grant {:.0?} after the outage",
        back.unwrap_or_default()
    );
    check
}

/// I9: keys, connections and memory stay bounded, and everybody gets a turn.
pub(crate) fn bounds(run: &Run) -> Check {
    let mut check = Check {
        invariant: "I9 bounded, and nobody starves",
        ..Check::default()
    };
    let bounds = &run.calm.bounds;
    // One fence for each key, and the two of the strict guard.
    if bounds.keys > MOST_KEYS + 2 {
        check.violations.push(format!(
            "{} keys on a node, for {MOST_KEYS} locks",
            bounds.keys
        ));
    }
    if bounds.connections > run.calm.clients.len() as u64 {
        check.violations.push(format!(
            "{} connections to a node, from {} clients",
            bounds.connections,
            run.calm.clients.len()
        ));
    }
    if bounds.memory > MOST_MEMORY {
        check
            .violations
            .push(format!("a client takes {} KiB", bounds.memory));
    }
    for miss in run
        .history
        .misses
        .iter()
        .filter(|miss| miss.wait == LAST_WAIT)
    {
        check.violations.push(format!(
            "{} did not get {} within {LAST_WAIT:?}",
            miss.client, miss.key
        ));
    }
    let hot = [SLOW_KEY, QUICK_KEYS[0], QUICK_KEYS[1]];
    for client in run
        .calm
        .clients
        .iter()
        .filter(|client| client.starts_with('w'))
    {
        let mine = |grant: &&Grant| grant.client == *client && grant.returned > run.calm.began;
        let got: Vec<&str> = run
            .history
            .grants
            .iter()
            .filter(mine)
            .map(|grant| grant.key.as_str())
            .collect();
        for key in hot.iter().filter(|key| !got.contains(*key)) {
            check
                .violations
                .push(format!("{client} did not get {key} once in the calm"));
        }
    }
    check.figures = format!(
        "{} keys on a node for {MOST_KEYS} locks, {} connections from {} clients, {} MiB in the largest client",
        bounds.keys,
        bounds.connections,
        run.calm.clients.len(),
        bounds.memory >> 10
    );
    check
}
