//! The runs of the model of locks whose newest request wins, and its broken rules.

use crate::newest::{LAST, LATER, Newest, Rule};
use crate::run;

/// Two requests, each of which may take another number.
const TWO: Newest = Newest {
    name: "the newest of two requests",
    requests: 2,
    rounds: 2,
    numbers: 3,
    forgets: 0,
    rule: Rule::Design,
    fixed_names: false,
};

/// The same with one number each, where a node forgets.
const FORGETFUL: Newest = Newest {
    name: "the newest of two requests, on nodes of which one forgets",
    rounds: 1,
    forgets: 1,
    ..TWO
};

/// Three requests, with one number each.
const THREE: Newest = Newest {
    name: "the newest of three requests",
    requests: 3,
    rounds: 1,
    ..TWO
};

fn caught(rule: Rule, property: &'static str, model: Newest) {
    run::violates(&Newest { rule, ..model }, property, &format!("{rule:?}"));
}

#[test]
fn newest_request() {
    run::holds(&TWO);
    run::holds(&FORGETFUL);
}

#[test]
fn newest_request_deep() {
    let forgetful = Newest {
        rounds: 2,
        ..FORGETFUL
    };
    for model in [THREE, forgetful] {
        if run::deep() {
            run::holds(&model);
        } else {
            println!("skipped  {}: MODEL_DEPTH=deep runs it", model.name);
        }
    }
}

#[test]
fn newest_without_a_confirmation() {
    caught(Rule::NoConfirmation, LAST, TWO);
}

#[test]
fn newest_confirmed_by_one_node() {
    caught(Rule::ConfirmedByOne, LAST, TWO);
}

#[test]
fn newest_announced_by_one_node() {
    caught(Rule::AnnouncedByOne, LATER, TWO);
}

#[test]
fn newest_replaced_by_an_older_one() {
    caught(Rule::NoComparison, LAST, TWO);
}

#[test]
fn newest_with_the_number_of_another() {
    caught(Rule::EqualAccepted, LATER, TWO);
}

#[test]
fn newest_announced_in_spite_of_a_refusal() {
    caught(Rule::RefusalCounts, LATER, TWO);
}

#[test]
fn newest_forgotten_by_a_node_that_votes() {
    caught(Rule::ForgottenVotes, LAST, FORGETFUL);
}

#[test]
fn newest_without_the_lock() {
    caught(Rule::NoLock, LAST, TWO);
}
