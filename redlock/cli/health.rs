//! `redlock health`: the state of the nodes.

use std::{process::ExitCode, time::Duration};

use redlock::{NodeHealth, NodeState};
use serde_json::{Value, json};

use crate::{
    args::Common,
    connect::client,
    failure::{Failure, UNAVAILABLE},
    output::{Output, Paint, millis, plain, readable},
};

pub(crate) async fn health(
    common: &Common,
    all: bool,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let client = client(common)?;
    let (nodes, quorum) = (client.health().await, client.quorum());
    let voting = voting(&nodes);
    let needed = if all { nodes.len() } else { quorum };
    let is_well = voting >= needed && voting >= quorum;
    output.result(
        || {
            json!({
                "healthy": is_well,
                "voting": voting,
                "quorum": quorum,
                "nodes": nodes.iter().map(as_json).collect::<Vec<_>>(),
            })
        },
        || {
            let mut lines = table(&nodes, output);
            lines.push(summary(&nodes, quorum, is_well, output));
            lines.join("\n")
        },
    )?;
    Ok(match is_well {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(UNAVAILABLE),
    })
}

/// How many of the nodes vote.
pub(crate) fn voting(nodes: &[NodeHealth]) -> usize {
    let voting = nodes.iter().filter(|node| node.state == NodeState::Up);
    voting.count()
}

/// How many of the nodes vote, for people.
pub(crate) fn summary(
    nodes: &[NodeHealth],
    quorum: usize,
    is_well: bool,
    output: &Output,
) -> String {
    let text = format!(
        "{} of {} nodes vote, {quorum} are needed",
        voting(nodes),
        nodes.len()
    );
    let paint = if is_well { Paint::Good } else { Paint::Bad };
    output.paint(&text, paint)
}

/// A line for each node.
pub(crate) fn table(nodes: &[NodeHealth], output: &Output) -> Vec<String> {
    let width = |text: fn(&NodeHealth) -> &str| {
        let longest = nodes.iter().map(|node| plain(text(node)).chars().count());
        longest.max().unwrap_or(0)
    };
    let (name, version) = (width(|node| &node.node), width(|node| &node.version));
    let line = |node: &NodeHealth| {
        let (state, paint) = state(&node.state);
        let latency = node.latency.map_or_else(|| "-".to_owned(), latency);
        format!(
            "{:name$}  {:version$}  {latency:>8}  {}",
            plain(&node.node),
            plain(&node.version),
            output.paint(&state, paint)
        )
    };
    nodes.iter().map(line).collect()
}

fn latency(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1_000.0)
}

fn state(state: &NodeState) -> (String, Paint) {
    match state {
        NodeState::Up => ("votes".to_owned(), Paint::Good),
        NodeState::Quarantined { left } => {
            let text = format!(
                "has no vote for another {}: it may have forgotten locks",
                readable(*left)
            );
            (text, Paint::Warning)
        }
        NodeState::Partial { cause } => (
            plain(&format!("votes for some keys: {cause}")),
            Paint::Warning,
        ),
        NodeState::Down { cause } => (plain(&format!("has no vote: {cause}")), Paint::Bad),
        _ => ("has no vote".to_owned(), Paint::Bad),
    }
}

pub(crate) fn as_json(node: &NodeHealth) -> Value {
    let (state, cause, left) = match &node.state {
        NodeState::Up => ("up", None, None),
        NodeState::Quarantined { left } => ("quarantined", None, Some(millis(*left))),
        NodeState::Partial { cause } => ("partial", Some(cause), None),
        NodeState::Down { cause } => ("down", Some(cause), None),
        _ => ("unknown", None, None),
    };
    json!({
        "node": node.node,
        "state": state,
        "cause": cause,
        "quarantined_for_ms": left,
        "latency_ms": node.latency.map(|latency| latency.as_secs_f64() * 1_000.0),
        "version": node.version,
    })
}
