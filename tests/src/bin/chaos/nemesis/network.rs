//! Faults of the network, on the links between clients and nodes that have hosts of their own.

use std::time::Duration;

use tests::network::{Link, Network};
use tokio::time::sleep;

use super::counts::Result;
use super::fault::{Clients, NetworkFault};
use crate::args::Problem;
use crate::config::SLOW_KEY;
use crate::run::harness::Harness;

/// How long to wait for each next holder.
const HOLDER_TIMEOUT: Duration = Duration::from_secs(4);
/// How many holders may pass that have no host of their own.
const HOLDERS: usize = 8;

pub(super) async fn impose(
    harness: &Harness,
    fault: &NetworkFault,
) -> std::result::Result<Result, Problem> {
    let Some(network) = &harness.network else {
        return Ok(Result::Skipped);
    };
    let slots = match &fault.clients {
        Clients::Slots(slots) => slots.clone(),
        Clients::Holder => match holder(harness).await {
            Some(slot) => vec![slot],
            None => return Ok(Result::Skipped),
        },
    };
    let links: Vec<Link> = slots
        .iter()
        .flat_map(|&client| fault.nodes.iter().map(move |&node| Link { client, node }))
        .collect();
    impose_on(network, &links, fault).await
}

/// Counts as occurred when it concerned a packet.
async fn impose_on(
    network: &Network,
    links: &[Link],
    fault: &NetworkFault,
) -> std::result::Result<Result, Problem> {
    let imposed = network.impose(links, &fault.directions, fault.link).await?;
    if !imposed.is_empty() {
        sleep(fault.lasts).await;
    }
    Ok(match network.lift(imposed).await? {
        0 => Result::Skipped,
        packets => Result::OccurredTo(packets),
    })
}

/// The slot of the next holder of the slow lock that has a host of its own.
async fn holder(harness: &Harness) -> Option<usize> {
    for _ in 0..HOLDERS {
        let name = harness
            .resource
            .next_entry(SLOW_KEY, HOLDER_TIMEOUT)
            .await?;
        let slot = harness.slot_of(&name);
        if let Some(slot) = slot.filter(|slot| harness.host(*slot).is_some()) {
            return Some(slot);
        }
        if harness.finished.get() {
            return None;
        }
    }
    None
}
