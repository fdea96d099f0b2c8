//! Whether a node in memory behaves like a server: random sequences of all requests, as the client writes them, on both at
//! once. Replies, messages and keyspaces have to be equal, ttls to the millisecond.
//!
//! The server that tests use by default, and the further versions that `scripts/servers` has fetched or `REDIS_SERVERS`
//! names.
//!
//! | variable | |
//! |---|---|
//! | `CONFORMANCE_SEED=7` | `one_seed` replays this sequence and prints it step by step |
//! | `CONFORMANCE_SEQUENCES=10000` | how many sequences are run on the default server; a third of them on each other one |
//! | `CONFORMANCE_FROM=1000000` | the first of their seeds |

mod coverage;
mod foreign;
mod lockstep;
mod memory;
mod plan;
mod resp;
mod restored;
mod server;
mod shrink;
mod sides;
mod step;
mod switches;

use std::{env, path::PathBuf, thread};

use crate::{coverage::Coverage, lockstep::End, server::Server};

/// Sequences of one run, by default. This many cover everything, even on one server.
const SEQUENCES: u64 = 300;

/// Each further version runs this part of the sequences.
const FURTHER: u64 = 3;

/// How often a sequence is started again if the machine is too busy to compare it.
const ATTEMPTS: u32 = 3;

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is a number, not `{text}`")),
    )
}

/// The default server, and all others that there are.
fn servers() -> Vec<Option<PathBuf>> {
    let further = tests::further_servers().into_iter().map(Some);
    [None].into_iter().chain(further).collect()
}

fn start(binary: Option<PathBuf>) -> Server {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(Server::start(binary))
}

/// The totals of one server.
struct Run {
    sequences: u64,
    version: String,
    steps: usize,
    cut_short: u64,
    coverage: Coverage,
    difference: Option<String>,
}

/// Runs sequences on one server until one differs.
fn compare(sequences: u64, binary: Option<PathBuf>, from: u64) -> Run {
    let mut server = start(binary);
    let mut run = Run {
        sequences,
        version: server.version.clone(),
        steps: 0,
        cut_short: 0,
        coverage: Coverage::default(),
        difference: None,
    };
    for seed in from..from + sequences {
        let steps = plan::plan(seed);
        let mut attempts = 0;
        let end = loop {
            attempts += 1;
            let end = lockstep::run(&mut server, seed, &steps, &mut run.coverage, false);
            match end {
                End::CutShort(count) if attempts < ATTEMPTS => run.steps += count,
                end => break end,
            }
        };
        match end {
            End::Same(count) => run.steps += count,
            End::CutShort(count) => {
                run.steps += count;
                run.cut_short += 1;
            }
            End::Differs(difference) => {
                let text = shrink::shrunk(&mut server, seed, steps, difference);
                run.difference = Some(format!("CONFORMANCE_SEED={seed}, {}: {text}", run.version));
                break;
            }
        }
    }
    run
}

#[test]
fn nodes_in_memory_behave_like_servers() {
    let from = number("CONFORMANCE_FROM").unwrap_or(0);
    let sequences = number("CONFORMANCE_SEQUENCES").unwrap_or(SEQUENCES);
    let of = |binary: &Option<PathBuf>| match binary {
        None => sequences,
        Some(_) => sequences.div_ceil(FURTHER),
    };
    let runs: Vec<Run> = thread::scope(|scope| {
        let servers = servers().into_iter();
        let threads = servers.map(|binary| scope.spawn(move || compare(of(&binary), binary, from)));
        let threads: Vec<_> = threads.collect();
        let runs = threads.into_iter();
        runs.map(|run| run.join().expect("a run")).collect()
    });
    let (mut coverage, mut differences, mut too_few) =
        (Coverage::default(), Vec::new(), Vec::new());
    for run in runs {
        let line = format!(
            "{}: {} steps of {} sequences, {} of them cut short",
            run.version, run.steps, run.sequences, run.cut_short
        );
        println!("{line}");
        coverage.merge(run.coverage);
        differences.extend(run.difference);
        if run.steps as u64 <= run.sequences * 5 {
            too_few.push(line);
        }
    }
    for line in coverage.lines() {
        println!("{line}");
    }
    for difference in &differences {
        println!("{difference}");
    }
    assert!(
        differences.is_empty(),
        "replay with the seed above: cargo test -p tests --test conformance one_seed -- --nocapture"
    );
    let missing = coverage.missing();
    assert!(
        sequences < SEQUENCES || missing.is_empty(),
        "never occurred, so it was not compared: {missing:?}"
    );
    assert!(
        too_few.is_empty(),
        "too little was compared: {too_few:?}. Is the machine very busy?"
    );
}

/// Replays `CONFORMANCE_SEED` on each server, if there is one.
#[test]
fn one_seed() {
    let Some(seed) = number("CONFORMANCE_SEED") else {
        return;
    };
    let mut differences = 0;
    for binary in servers() {
        let mut server = start(binary);
        println!("{}", server.version);
        let steps = plan::plan(seed);
        let end = lockstep::run(&mut server, seed, &steps, &mut Coverage::default(), true);
        if let End::Differs(difference) = end {
            differences += 1;
            let text = shrink::shrunk(&mut server, seed, steps, difference);
            println!("{text}");
        } else {
            println!("{end:?}");
        }
    }
    assert_eq!(differences, 0, "servers that differ");
}
