//! What a client needs before its first attempt: the time of the nodes, and a majority that accepts its list of nodes.

use std::{sync::Arc, time::Duration};

use super::failure::Failure;
use crate::{
    command::{Inspect, Reply},
    core::Core,
    error::NodeError,
    key::Key,
    node::{ConnectionSet, Nodes},
    round::fan_out::fan_out,
};

/// Whether [`meet`] has something to do. Cheap, since it precedes every attempt.
pub(super) fn are_missing(nodes: &Nodes, fencing: bool) -> bool {
    fencing && !nodes.tokens.is_calibrated() || !nodes.lists.is_complete()
}

/// Whether the nodes were not contacted yet. The round trips of the first contact precede the time of an attempt.
pub(super) fn is_first_contact(nodes: &Nodes, fencing: bool) -> bool {
    !nodes.lists.is_met() || fencing && !nodes.tokens.is_calibrated()
}

/// Asks the nodes about `key` until a majority has answered. Connecting calibrates the token clock and records the list of
/// nodes, and a request about the key itself takes the route that the acquire will take.
pub(in crate::acquire) async fn meet(
    core: &Core,
    connections: &ConnectionSet,
    key: &Arc<Key>,
    fencing: bool,
    left: impl Fn() -> Duration,
) -> Result<(), Failure> {
    let (nodes, lists) = (&core.nodes, &core.nodes.lists);
    let is_calibrated = || !fencing || nodes.tokens.is_calibrated();
    let is_known = || lists.known() >= nodes.quorum();
    if lists.refusal(nodes.now()).is_none() && !(is_known() && is_calibrated()) {
        let reached = |reply: &Reply| !matches!(reply, Reply::Failed(_));
        let command = Inspect.into();
        let answers = fan_out(
            nodes,
            connections,
            Arc::clone(key),
            command,
            left(),
            |answers| {
                let reached = answers.iter().filter(|answer| reached(&answer.reply));
                is_calibrated() && reached.count() >= nodes.quorum()
            },
        );
        // Nodes that cannot be reached are reported by the round.
        let _ = answers.await;
    }
    if is_known() {
        lists.until_complete(left() / 2, || nodes.now()).await;
    }
    let Some(refusal) = lists.refusal(nodes.now()) else {
        return Ok(());
    };
    let refused = |node: &str| NodeError::new(node, refusal.kind, refusal.text.clone());
    let names = nodes.states.iter().map(|node| node.name());
    Err(Failure::NoQuorum {
        able: 0,
        errors: names.map(refused).collect(),
    })
}
