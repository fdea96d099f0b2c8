//! The controls: with each deliberate mistake in the client or the nodes, some history breaks a promise. A mistake that
//! no history notices is one that the simulation cannot find.

use redlock::{__Mutant as Mutant, __make as make};

use crate::{Totals, number, plan::Plan, run_all};

/// The most histories that it may take to notice, many times what each takes today.
const HISTORIES: u64 = 3_000;

/// What a mistake is looked for in: where it seldom does harm among all faults, histories that are full of those that it
/// matters to.
fn plan(mistake: Mutant, seed: u64) -> Plan {
    match mistake {
        Mutant::GuardShort | Mutant::NoGuard | Mutant::QuarantinedCounted => Plan::duel(seed),
        _ => Plan::new(seed),
    }
}

#[test]
fn every_mistake_is_noticed() {
    let only = std::env::var("MUTANT").ok();
    let mut survivors = Vec::new();
    for mutant in Mutant::ALL {
        let name = format!("{mutant:?}");
        if only.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        let histories = number("SIM_HISTORIES").unwrap_or(HISTORIES);
        let Totals {
            histories, failed, ..
        } = run_all(
            0,
            histories,
            1,
            |seed| plan(mutant, seed),
            || make(Some(mutant)),
        );
        match failed.first() {
            Some((seed, violations)) => {
                println!(
                    "{name}: noticed after {histories} histories, by seed {seed}: {}",
                    violations[0]
                );
            }
            None => {
                println!("{name}: SURVIVED {histories} histories");
                survivors.push(name);
            }
        }
    }
    assert!(survivors.is_empty(), "not noticed: {survivors:?}");
}
