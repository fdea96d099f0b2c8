//! The nemesis: injects the faults of a plan, several at a time, and ends them all.

pub(crate) mod plan;

mod clients;
mod counts;
mod fault;
mod network;
mod nodes;
mod proxies;

use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tests::proxy::Flow;
use tokio::time::{Instant, sleep_until};

use crate::args::Problem;
use crate::config::{SLOW_KEY, TTL};
use crate::run::harness::Harness;
pub(crate) use counts::FaultCounts;
use counts::Result as Counted;
use fault::{Fault, Step};

/// Injects the plan, and returns when its last fault is over.
pub(crate) async fn run(harness: &Harness, plan: &[Step], length: Duration, counts: &FaultCounts) {
    let start = Instant::now();
    let mut running = FuturesUnordered::new();
    let end = (length, None);
    let steps = plan.iter().map(|step| (step.at, Some(&step.fault)));
    for (at, fault) in steps.chain([end]) {
        loop {
            tokio::select! {
                () = sleep_until(start + at) => break,
                Some(()) = running.next() => {}
            }
        }
        if let Some(fault) = fault {
            running.push(async move { counts.record(fault, inject(harness, fault).await) });
        }
    }
    harness.finished.set(true);
    while running.next().await.is_some() {}
}

async fn inject(harness: &Harness, fault: &Fault) -> Counted {
    let occurred = match fault {
        Fault::Restart {
            nodes,
            down,
            inside,
        } => nodes::restart(harness, nodes, *down, *inside).await,
        Fault::Hang { nodes, lasts } => nodes::hang(harness, nodes, *lasts).await,
        Fault::Flush { nodes } => nodes::flush(harness, nodes).await,
        Fault::FlushScripts => nodes::flush_scripts(harness).await,
        Fault::Pause { target, lasts } => clients::pause(harness, *target, *lasts).await,
        Fault::Kill { target } => clients::kill(harness, *target).await,
        Fault::Proxy {
            slots,
            nodes,
            fault,
            lasts,
        } => proxies::impose(&harness.proxies(slots, nodes), *fault, *lasts).await,
        Fault::Network(fault) => match network::impose(harness, fault).await {
            Ok(counted) => return counted,
            Err(problem) => {
                harness.record_problem(Err(problem));
                false
            }
        },
    };
    occurred.into()
}

/// Stops the holder of the slow lock between its read and its write, until others have held it.
pub(crate) async fn overtake_holder(harness: &Harness) {
    let target = fault::Target::Holder(SLOW_KEY);
    clients::pause(harness, target, 2 * TTL).await;
}

/// Ends the remaining faults: nodes that are down, proxies that hold bytes, slots without a client.
pub(crate) async fn heal(harness: &Harness) -> Result<(), Problem> {
    for node in harness.cluster.nodes() {
        node.start().await;
    }
    for proxy in harness.all_proxies() {
        proxy.refuse(false);
        proxy.set_both(Flow::PASS);
        proxy.deliver();
    }
    for number in 0..harness.slots.len() {
        if harness.slots[number].process.borrow().is_none() {
            clients::wait_until_admitted(harness).await;
            harness.start_client(number).await?;
        }
    }
    Ok(())
}
