//! The runs of the model of batches: the design, and rules that are broken on purpose.

use crate::{
    batches::{Batches, EQUAL, EXCLUSION, ORPHANS, Rule},
    run::{deep, holds, violates},
};

const LOCKS: Batches = Batches {
    name: "commands that share calls",
    waitlists: [0, 1, 2],
    tokens: 2,
    rule: Rule::Distinct,
};

/// Two permits of a semaphore, and a lock.
const PERMITS: Batches = Batches {
    name: "commands that share calls, two of their locks a waitlist",
    waitlists: [0, 0, 1],
    tokens: 1,
    ..LOCKS
};

fn caught(model: Batches, rule: Rule, property: &'static str) {
    let model = Batches { rule, ..model };
    violates(&model, property, &format!("{rule:?}"));
}

#[test]
fn commands_that_share_calls() {
    holds(&Batches { tokens: 1, ..LOCKS });
}

#[test]
fn commands_that_share_calls_deep() {
    if deep() {
        holds(&LOCKS);
    } else {
        println!("skipped  {}: MODEL_DEPTH=deep runs it", LOCKS.name);
    }
}

#[test]
fn commands_that_share_calls_beside_a_semaphore() {
    holds(&PERMITS);
}

#[test]
fn a_lock_twice_in_a_call() {
    caught(LOCKS, Rule::SharedLocks, EQUAL);
}

#[test]
fn permits_of_one_semaphore_in_a_call() {
    caught(PERMITS, Rule::SharedWaitlists, EQUAL);
}

#[test]
fn a_failure_of_one_command_is_that_of_all() {
    caught(LOCKS, Rule::FailureSpreads, EQUAL);
}

#[test]
fn a_refused_call_is_taken_for_carried_out() {
    caught(LOCKS, Rule::RefusedIsDone, EXCLUSION);
    caught(LOCKS, Rule::RefusedIsDone, ORPHANS);
}

#[test]
fn a_lost_reply_is_taken_for_a_grant() {
    caught(LOCKS, Rule::UnknownIsYes, EXCLUSION);
}

#[test]
fn a_lost_reply_is_taken_for_a_refusal() {
    caught(LOCKS, Rule::UnknownIsNo, ORPHANS);
}

#[test]
fn a_batch_that_runs_late_without_tombstones() {
    caught(LOCKS, Rule::NoTombstone, ORPHANS);
}
