//! The controls: with each deliberate mistake in the client or the nodes, some history breaks a promise. A mistake that
//! no history notices is one that the simulation cannot find.

use std::time::Duration;

use redlock::{__Mutant as Mutant, __make as make, Redlock, memory::Nodes};
use tokio::time::{Instant, sleep, timeout};

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

/// E5: whoever renews is gone, and the holder hears of it when the validity is over. The next lease is renewed again.
#[tokio::test(start_paused = true)]
async fn a_renewal_that_panics_is_told_as_lost_in_time() {
    let ttl = Duration::from_secs(3);
    let cluster = Nodes::new(3);
    let redlock = Redlock::connect(cluster.nodes()).await.expect("nodes");
    let request = redlock.lock("invoice:42").ttl(ttl).keep_alive(true);
    make(Some(Mutant::RenewalPanics));
    let held = request.clone().await.expect("free");
    let until = Instant::now() + held.remaining();
    timeout(ttl, held.lost()).await.expect("told");
    let late = until.elapsed();
    assert!(
        held.is_lost() && late <= Duration::from_millis(2),
        "{late:?}"
    );
    make(None);
    let held = request.wait(ttl).await.expect("expired");
    sleep(ttl * 4).await;
    assert!(!held.is_lost(), "kept alive");
}
