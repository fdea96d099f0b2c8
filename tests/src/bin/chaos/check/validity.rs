//! I4: right after a grant or an extension, a quorum of the nodes holds the key for the validity that was told.

use std::collections::HashMap;

use super::{Check, Run, seconds};
use crate::events::{What, during};
use crate::history::{Grant, Sample, Seen};
use crate::stamp::Stamp;
use crate::terms::QUORUM;

pub(crate) fn check(run: &Run) -> Check {
    let mut check = Check {
        invariant: "I4 never valid for longer than held",
        ..Check::default()
    };
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
        if held < sample.valid {
            check.violations.push(format!(
                "{}: {} was told {}, a quorum holds it until {} (nodes at {}: {:?})",
                grant.key,
                grant.id,
                seconds(run, sample.valid),
                seconds(run, held),
                seconds(run, sample.at),
                sample.nodes
            ));
        }
    }
    check.figures = format!("{} samples", run.history.samples.len());
    check
}

/// Until when a quorum of the nodes holds it, by the most that those can do that could not be asked.
fn held_until(run: &Run, grant: &Grant, sample: &Sample) -> Stamp {
    let mut ends: Vec<Stamp> = sample
        .nodes
        .iter()
        .enumerate()
        .map(|(node, seen)| match seen {
            Seen::Until(stamp) => *stamp,
            Seen::Silent => Stamp::MAX,
            Seen::Gone if forgot(run, node, grant.began, sample.at) => Stamp::MAX,
            Seen::Gone => 0,
        })
        .collect();
    ends.sort_unstable_by(|a, b| b.cmp(a));
    ends.get(QUORUM - 1).copied().unwrap_or_default()
}

/// A node that forgot held it until then: what the guard is for, and no matter of validity.
fn forgot(run: &Run, node: usize, from: Stamp, to: Stamp) -> bool {
    during(&run.events, from, to).any(|event| match event.what {
        What::Restart { node: it } | What::Flush { node: it } => it == node,
        What::Hung { .. } | What::Stopped { .. } => false,
    })
}
