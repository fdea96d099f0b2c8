//! Faults of the network, on the links between clients and nodes that have hosts of their own.

use std::time::Duration;

use tests::network::{Link, Network};
use tokio::time::sleep;

use super::counts::Result;
use super::fault::{Clients, NetworkFault};
use crate::args::Problem;
use crate::config::SLOW_KEY;
use crate::run::harness::Harness;

/// How often a fault that affected no packet is tried again, and the pause in between.
const ATTEMPTS: usize = 5;
const RETRY_PAUSE: Duration = Duration::from_millis(300);
/// How long to wait for each next holder.
const HOLDER_TIMEOUT: Duration = Duration::from_secs(4);
/// How many holders may pass that have no host of their own.
const HOLDERS: usize = 8;

/// Imposes the fault. Tries again while it affects no packet, because its links have another fault
/// or its client is paused.
pub(super) async fn impose(
    harness: &Harness,
    fault: &NetworkFault,
) -> std::result::Result<Result, Problem> {
    let Some(network) = &harness.network else {
        return Ok(Result::Skipped);
    };
    for _ in 0..ATTEMPTS {
        let slots = match &fault.clients {
            Clients::Slots(slots) => slots.clone(),
            Clients::Holder => Vec::from_iter(holder(harness).await),
        };
        let links: Vec<Link> = slots
            .iter()
            .flat_map(|&client| fault.nodes.iter().map(move |&node| Link { client, node }))
            .collect();
        let result = impose_on(network, &links, fault).await?;
        if result != Result::Skipped || harness.finished.get() {
            return Ok(result);
        }
        sleep(RETRY_PAUSE).await;
    }
    Ok(Result::Skipped)
}

/// The fault counts as occurred if it affected a packet.
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
