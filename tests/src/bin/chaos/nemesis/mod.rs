//! The nemesis: follows its plan, and puts everything right again at the end.

pub(crate) mod plan;

mod clients;
mod fault;
mod network;
mod nodes;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tests::proxy::Flow;
use tokio::time::{Instant, sleep_until};

use crate::args::Problem;
use crate::world::World;
use fault::{Fault, Step};

/// How often what was done, and how often the moment was not right.
#[derive(Debug, Default)]
pub(crate) struct Deeds(RefCell<BTreeMap<&'static str, (u32, u32)>>);

impl Deeds {
    fn done(&self, what: &'static str, done: bool) {
        let mut counts = self.0.borrow_mut();
        let count = counts.entry(what).or_default();
        if done {
            count.0 += 1;
        } else {
            count.1 += 1;
        }
    }

    /// Each with its two counts.
    pub(crate) fn counts(&self) -> Vec<(&'static str, u32, u32)> {
        self.0
            .borrow()
            .iter()
            .map(|(what, (done, not))| (*what, *done, *not))
            .collect()
    }
}

/// Does what the plan says, several things at a time.
pub(crate) async fn rage(world: &World, plan: &[Step], length: Duration, folder: &Path) -> Deeds {
    let (deeds, start) = (Deeds::default(), Instant::now());
    let mut running = FuturesUnordered::new();
    let end = (length, None);
    for (at, fault) in plan
        .iter()
        .map(|step| (step.at, Some(&step.fault)))
        .chain([end])
    {
        loop {
            tokio::select! {
                () = sleep_until(start + at) => break,
                Some(()) = running.next() => {}
            }
        }
        if let Some(fault) = fault {
            running.push(inflict(world, fault, folder, &deeds));
        }
    }
    world.over.set(true);
    while running.next().await.is_some() {}
    drop(running);
    deeds
}

async fn inflict(world: &World, fault: &Fault, folder: &Path, deeds: &Deeds) {
    match fault {
        Fault::Restart {
            nodes,
            down,
            inside,
        } => {
            let what = match nodes.len() {
                1 => "restart one node empty",
                5 => "restart all nodes empty",
                _ => "restart a majority empty",
            };
            deeds.done(what, nodes::restart(world, nodes, *down, *inside).await);
        }
        Fault::Hang { nodes, lasts } => {
            let what = if nodes.len() > 2 {
                "hang a majority"
            } else {
                "hang one node or two"
            };
            deeds.done(what, nodes::hang(world, nodes, *lasts).await);
        }
        Fault::Flush { nodes } => {
            let what = if nodes.len() > 1 {
                "FLUSHALL on all nodes"
            } else {
                "FLUSHALL on one node"
            };
            deeds.done(what, nodes::flush(world, nodes).await);
        }
        Fault::FlushScripts => deeds.done("SCRIPT FLUSH", nodes::flush_scripts(world).await),
        Fault::Freeze { who, lasts } => {
            deeds.done("pause a client", clients::freeze(world, *who, *lasts).await);
        }
        Fault::Murder { who } => {
            deeds.done("kill a client", clients::murder(world, *who, folder).await);
        }
        Fault::Net {
            slots,
            nodes,
            trouble,
            lasts,
        } => {
            network::trouble(world, slots, nodes, *trouble, *lasts).await;
            deeds.done(network::name(*trouble), true);
        }
    }
}

/// Puts everything right: nodes up, ways open, a client in every slot.
pub(crate) async fn heal(world: &World, folder: &Path) -> Result<(), Problem> {
    for node in world.cluster.nodes() {
        node.start().await;
    }
    for proxy in world.proxies.iter().flatten() {
        proxy.refuse(false);
        proxy.set_both(Flow::PASS);
        proxy.deliver();
    }
    for number in 0..world.slots.len() {
        if world.slots[number].worker.borrow().is_none() {
            clients::wait_for_strangers(world).await;
            world.populate(number, folder).await?;
        }
    }
    Ok(())
}
