//! The runs of the model of jobs: the design, which holds, and each of its rules broken on purpose.

use crate::{
    job::{ALONE, Jobs, NOTHING_OLD, ONCE, REPEATED, Rule},
    run,
};

const SKIP: Jobs = Jobs {
    name: "jobs: skip after a crash",
    until: 6,
    catch_up: 2,
    skew: 1,
    reruns: false,
    all: false,
    cancels: false,
    forgets: 1,
    losses: 3,
    rule: Rule::Whole,
};
const RERUN: Jobs = Jobs {
    name: "jobs: rerun after a crash",
    reruns: true,
    ..SKIP
};
const ALL: Jobs = Jobs {
    name: "jobs: each missed firing, rerun after a crash",
    all: true,
    ..RERUN
};
const CANCEL: Jobs = Jobs {
    name: "jobs: the next firing cancels",
    cancels: true,
    ..RERUN
};

#[test]
fn jobs_hold() {
    for model in [SKIP, RERUN, ALL, CANCEL] {
        run::holds(&model);
    }
}

#[test]
fn jobs_hold_deep() {
    for model in [SKIP, RERUN, ALL, CANCEL] {
        let longer = Jobs { until: 8, ..model };
        if run::deep() {
            run::holds(&longer);
        } else {
            println!("skipped  {}: MODEL_DEPTH=deep runs it", longer.name);
        }
    }
}

fn caught(rule: Rule, property: &'static str, model: Jobs) {
    let why = format!("{rule:?}");
    run::violates(&Jobs { rule, ..model }, property, &why);
}

#[test]
fn job_whose_body_begins_unconfirmed() {
    caught(Rule::BeginsUnconfirmed, ONCE, SKIP);
}

#[test]
fn job_whose_body_runs_on_without_the_lock() {
    caught(Rule::RunsOn, ALONE, RERUN);
}

#[test]
fn job_that_runs_old_firings_at_first() {
    caught(Rule::EmptyRunsDue, NOTHING_OLD, SKIP);
    caught(Rule::EmptyWithoutSkew, ONCE, SKIP);
}

#[test]
fn job_whose_started_firing_is_due() {
    caught(Rule::StartedIsDue, ONCE, SKIP);
}

#[test]
fn job_that_decides_by_an_old_record() {
    caught(Rule::OldRecord, REPEATED, RERUN);
}

#[test]
fn job_that_cancels_after_the_next_begin() {
    caught(Rule::CancelsLate, ALONE, CANCEL);
}
