//! I9: keys, connections and memory stay bounded, and every client gets every contended lock.

use std::time::Duration;

use super::{Check, Run};
use crate::config::{HOT_KEYS, KEPT_KEYS, LAST_WAIT};
use crate::history::Kind;
use crate::run::recovery::Recovery;

/// How late a process on a busy machine may be scheduled.
pub(super) const SCHEDULING: Duration = Duration::from_millis(250);
/// In KiB. A client in a debug build takes a quarter of it.
const MAX_MEMORY: u64 = 64 << 10;
/// A node keeps these beside those of the locks: the two keys of the strict guard.
const GUARD_KEYS: usize = 2;

pub(super) fn check(run: &Run, recovery: &Recovery) -> Check {
    let mut check = Check::of("I9 bounded, and nobody starves");
    usage(recovery, &mut check);
    starvation(run, recovery, &mut check);
    let usage = &recovery.usage;
    check.figures = format!(
        "{} keys on a node, at most {KEPT_KEYS} are kept, {} connections from {} clients, {} MiB in the largest client",
        usage.keys,
        usage.connections,
        recovery.clients.len(),
        usage.memory >> 10
    );
    check
}

fn usage(recovery: &Recovery, check: &mut Check) {
    let usage = &recovery.usage;
    if usage.keys > KEPT_KEYS + GUARD_KEYS {
        check.violation(format!(
            "{} keys on a node, where locks keep at most {KEPT_KEYS}",
            usage.keys
        ));
    }
    if usage.connections > recovery.clients.len() as u64 {
        check.violation(format!(
            "{} connections to a node, from {} clients",
            usage.connections,
            recovery.clients.len()
        ));
    }
    if usage.memory > MAX_MEMORY {
        check.violation(format!("a client uses {} KiB", usage.memory));
    }
}

fn starvation(run: &Run, recovery: &Recovery, check: &mut Check) {
    let failures = run.history.failures.iter();
    for failure in failures.filter(|failure| failure.wait == LAST_WAIT) {
        check.violation(format!(
            "{} did not get {} within {LAST_WAIT:?}",
            failure.client, failure.key
        ));
    }
    let workers = recovery.clients.iter();
    for client in workers.filter(|client| client.starts_with('w')) {
        let grants = run.history.grants.iter();
        let got = grants.filter(|grant| grant.client == *client && grant.returned > recovery.began);
        let (keys, kinds): (Vec<&str>, Vec<Kind>) =
            got.map(|grant| (grant.key.as_str(), grant.kind)).unzip();
        for key in HOT_KEYS.iter().filter(|key| !keys.contains(*key)) {
            check.violation(format!("{client} never got {key} after recovery"));
        }
        for kind in Kind::ALL.iter().filter(|kind| !kinds.contains(*kind)) {
            check.violation(format!(
                "{client} never got a grant of kind {kind} after recovery"
            ));
        }
    }
}
