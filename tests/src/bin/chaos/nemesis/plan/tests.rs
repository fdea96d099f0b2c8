//! Tests of the plan: it depends only on the seed, has every kind of fault, and respects the limits
//! of the guard.

use redlock::RestartGuard;

use super::super::fault::{Clients, Fault, NetworkKind, ProxyFault, Target};
use super::*;
use crate::args::NetworkMode;

fn settings(seed: u64) -> Settings {
    Settings {
        length: Duration::from_secs(120),
        soak: false,
        seed,
        workers: 4,
        network: NetworkMode::Auto,
        isolated: false,
        guard: RestartGuard::Observed,
        control: None,
        keep: None,
    }
}

#[test]
fn the_same_seed_gives_the_same_plan() {
    for networked in [0, 2] {
        let plan = |seed| draw(&settings(seed), networked);
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }
}

#[test]
fn every_kind_of_fault_is_planned() {
    for networked in [0, 2] {
        let plan = draw(&settings(7), networked);
        let count = |is: fn(&Fault) -> bool| plan.iter().filter(|step| is(&step.fault)).count();
        assert!(plan.len() > 150, "{}", plan.len());
        let restarts = |fault: &Fault, count| matches!(fault, Fault::Restart { nodes, .. } if nodes.len() == count);
        assert!(plan.iter().filter(|step| restarts(&step.fault, 3)).count() > 2);
        assert!(plan.iter().filter(|step| restarts(&step.fault, 1)).count() > 4);
        assert!(count(|fault| matches!(fault, Fault::Hang { nodes, .. } if nodes.len() == 3)) > 2);
        let pauses_holder = |fault: &Fault| {
            matches!(
                fault,
                Fault::Pause {
                    target: Target::Holder(_),
                    ..
                }
            )
        };
        assert!(count(pauses_holder) > 5);
        assert!(count(|fault| matches!(fault, Fault::Kill { .. })) > 5);
        assert!(count(|fault| matches!(fault, Fault::Flush { .. })) > 2);
        for wanted in [
            ProxyFault::LateAfterReset,
            ProxyFault::Hold,
            ProxyFault::LoseReplies,
            ProxyFault::Reset,
        ] {
            let planned = plan
                .iter()
                .any(|step| matches!(&step.fault, Fault::Proxy { fault, .. } if *fault == wanted));
            assert!(planned, "{wanted:?}");
        }
    }
}

#[test]
fn every_kind_of_network_fault_is_planned_if_there_are_links() {
    let plan = draw(&settings(7), 2);
    for kind in kind::NETWORK {
        let faults = plan.iter().filter_map(|step| match &step.fault {
            Fault::Network(fault) if fault.kind == kind => Some(fault),
            _ => None,
        });
        let faults: Vec<_> = faults.collect();
        assert!(faults.len() > 5, "{kind:?}: {}", faults.len());
        for fault in faults {
            let longer = fault.lasts > crate::config::TTL;
            let partition = matches!(kind, NetworkKind::Partition | NetworkKind::PartitionHolder);
            assert!(longer || !partition, "{fault:?}");
            if let Clients::Slots(slots) = &fault.clients {
                assert!(slots.iter().all(|slot| *slot < 2), "{fault:?}");
            }
        }
    }
    let without = draw(&settings(7), 0);
    let network = |step: &Step| matches!(step.fault, Fault::Network(_));
    assert!(!without.iter().any(network));
}

#[test]
fn proxies_are_used_only_for_clients_that_have_them() {
    for step in draw(&settings(7), 2) {
        if let Fault::Proxy { slots, .. } = step.fault {
            assert!(!slots.is_empty() && slots.iter().all(|slot| *slot >= 2));
        }
    }
}

#[test]
fn the_plan_respects_the_limits_of_the_observed_guard() {
    for seed in 0..200 {
        let mut restarts: Vec<Duration> = Vec::new();
        for step in draw(&settings(seed), 2) {
            match step.fault {
                Fault::Restart { nodes, .. } => {
                    restarts.extend(nodes.iter().map(|_| step.at));
                    let young = restarts
                        .iter()
                        .filter(|at| step.at - **at < Duration::from_secs(10))
                        .count();
                    assert!(young <= 3, "seed {seed}: {young} young at {:?}", step.at);
                }
                Fault::Flush { nodes } => assert_eq!(nodes.len(), 1),
                _ => {}
            }
        }
    }
}
