//! I4: after a grant or an extension, a quorum of the nodes holds the key for at least the reported
//! validity.

use std::collections::HashMap;

use super::{Check, Run, seconds};
use crate::config::QUORUM;
use crate::history::{EventKind, Grant, NodeState, Sample, during};
use crate::timestamp::Timestamp;

pub(super) fn check(run: &Run) -> Check {
    let mut check = Check::of("I4 never valid for longer than held");
    let grants: HashMap<&str, &Grant> = run
        .history
        .grants
        .iter()
        .map(|grant| (grant.id.as_str(), grant))
        .collect();
    for sample in &run.history.samples {
        let Some(grant) = grants.get(sample.grant.as_str()) else {
            continue;
        };
        let held = held_until(run, grant, sample);
        if held < sample.valid_until {
            check.violation(format!(
                "{}: {} is valid until {}, a quorum holds it until {} (nodes at {}: {:?})",
                grant.key,
                grant.id,
                seconds(run, sample.valid_until),
                seconds(run, held),
                seconds(run, sample.at),
                sample.nodes
            ));
        }
    }
    check.figures = format!("{} samples", run.history.samples.len());
    check
}

/// Until when a quorum holds it, if every node without a reply holds it for ever.
fn held_until(run: &Run, grant: &Grant, sample: &Sample) -> Timestamp {
    let mut ends: Vec<Timestamp> = sample
        .nodes
        .iter()
        .enumerate()
        .map(|(node, state)| match state {
            NodeState::HeldUntil(end) => *end,
            NodeState::NoReply => Timestamp::MAX,
            NodeState::NotHeld if lost_data(run, node, grant.began, sample.at) => Timestamp::MAX,
            NodeState::NotHeld => 0,
        })
        .collect();
    ends.sort_unstable_by(|a, b| b.cmp(a));
    ends.get(QUORUM - 1).copied().unwrap_or_default()
}

/// Whether a node lost its data. It may have held the key before. The restart guard covers data
/// loss, not the validity.
fn lost_data(run: &Run, node: usize, from: Timestamp, to: Timestamp) -> bool {
    during(&run.events, from, to).any(|event| match event.kind {
        EventKind::Restarted { node: it } | EventKind::Flushed { node: it } => it == node,
        EventKind::Hung { .. } | EventKind::Paused { .. } => false,
    })
}
