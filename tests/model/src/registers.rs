//! Runs of the model of registers: the design holds, and each rule that is broken on purpose is
//! detected.

use crate::{
    register::{NO_OLDER, Register, Rule, SEEN},
    run,
};

/// One holder writes, the next two read.
const READS: Register = Register {
    name: "registers: a write and two later holders",
    nodes: 3,
    holders: 3,
    read_by: [false, true, true],
    writes: [1, 0, 0],
    reads: 0,
    restarts: 0,
    until: 1,
    retention: 2,
    skew: 1,
    duplicates: false,
    rule: Rule::Whole,
    fixed_names: false,
};
/// Three holders read and write.
const HOLDERS: Register = Register {
    name: "registers: three holders",
    read_by: [false, true, true],
    writes: [1, 1, 1],
    ..READS
};
/// The first holder writes twice, and requests arrive any number of times.
const WRITES: Register = Register {
    name: "registers: two writes of one holder",
    holders: 2,
    read_by: [true, true, false],
    writes: [2, 0, 0],
    duplicates: true,
    ..READS
};
/// Two holders and a reader without the lock.
const READER: Register = Register {
    name: "registers: two holders and a reader",
    holders: 2,
    read_by: [false, true, false],
    writes: [1, 0, 0],
    reads: 2,
    ..READS
};
/// A node restarts empty. Time passes, and clocks differ.
const RESTARTS: Register = Register {
    name: "registers: a restart",
    holders: 2,
    read_by: [false, true, false],
    writes: [1, 0, 0],
    restarts: 1,
    until: 2,
    ..READS
};
/// The same with a reader without the lock.
const RESTARTS_AND_READER: Register = Register {
    name: "registers: a restart and a reader",
    reads: 1,
    until: 1,
    ..RESTARTS
};
/// Time passes, with a reader without the lock.
const TIME: Register = Register {
    name: "registers: promises that end",
    reads: 1,
    restarts: 0,
    until: 3,
    ..RESTARTS
};
/// A holder whose clock may be ahead writes twice, and a node restarts.
const AHEAD: Register = Register {
    name: "registers: a clock that is ahead",
    holders: 1,
    read_by: [false; 3],
    writes: [2, 0, 0],
    reads: 1,
    until: 2,
    ..RESTARTS
};
/// Five nodes.
const FIVE: Register = Register {
    name: "registers: five nodes",
    nodes: 5,
    holders: 2,
    ..READS
};

#[test]
fn register_of_three_holders() {
    run::holds(&READS);
    run::holds(&HOLDERS);
}

#[test]
fn register_written_twice() {
    run::holds(&WRITES);
}

#[test]
fn register_beside_a_reader() {
    run::holds(&READER);
}

#[test]
fn register_and_restarts() {
    run::holds(&RESTARTS);
    run::holds(&RESTARTS_AND_READER);
    run::holds(&AHEAD);
}

#[test]
fn register_and_time() {
    run::holds(&Register { until: 2, ..TIME });
}

#[test]
fn register_deep() {
    let longer = |model| Register { until: 4, ..model };
    let reader = Register {
        until: 2,
        ..RESTARTS_AND_READER
    };
    for model in [longer(RESTARTS), longer(TIME), reader] {
        if run::deep() {
            run::holds(&model);
        } else {
            println!("skipped  {}: MODEL_DEPTH=deep runs it", model.name);
        }
    }
}

#[test]
fn register_on_five_nodes() {
    run::holds(&FIVE);
}

fn caught(rule: Rule, property: &'static str, model: Register) {
    let why = format!("{rule:?}");
    run::violates(&Register { rule, ..model }, property, &why);
}

#[test]
fn register_without_promises() {
    caught(Rule::NoPromise, SEEN, READS);
}

#[test]
fn register_that_does_not_compare_versions() {
    caught(Rule::VersionsNotCompared, SEEN, WRITES);
}

#[test]
fn register_that_is_not_written_back() {
    caught(Rule::NoWriteBack, NO_OLDER, READS);
}

#[test]
fn register_written_back_under_its_old_version() {
    caught(Rule::WriteBackUnderOldVersion, NO_OLDER, READS);
}

#[test]
fn register_read_from_any_answer() {
    caught(Rule::AnyAnswer, SEEN, READS);
}

#[test]
fn register_whose_writes_share_a_number() {
    caught(Rule::SameSeq, SEEN, WRITES);
}

#[test]
fn register_whose_reader_trusts_one_node() {
    caught(Rule::ReaderBelieves, SEEN, READER);
}

#[test]
fn register_whose_reader_ignores_promises() {
    caught(Rule::ReaderIgnoresPromise, SEEN, READER);
}

#[test]
fn register_read_as_empty_from_a_restarted_node() {
    caught(Rule::ForgottenCounts, SEEN, RESTARTS);
}

#[test]
fn register_confirmed_by_a_node_that_forgot_its_promise() {
    caught(Rule::EveryAckCounts, SEEN, RESTARTS);
}

#[test]
fn register_with_the_guard_time_of_locks() {
    caught(Rule::GuardTimeOfLocks, SEEN, RESTARTS);
}

#[test]
fn register_whose_first_write_is_stated_to_be_later() {
    caught(Rule::StatedTooLate, SEEN, RESTARTS);
}

#[test]
fn register_without_the_skew() {
    caught(Rule::SkewLeftOut, SEEN, AHEAD);
}

#[test]
fn register_whose_promise_ends_too_early_by_the_skew() {
    caught(Rule::PromiseWithoutSkew, NO_OLDER, TIME);
}
