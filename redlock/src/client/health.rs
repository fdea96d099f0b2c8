//! The state of the nodes: at the first contact, and on request.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use crate::{
    command::{Ping, Probe, Reply},
    core::Core,
    env::clock::Instant,
    error::{Error, Result},
    events::node as events,
    fault::FaultKind,
    key::Key,
    node::{NodeState as Node, Part},
    round::fan_out::{Answer, Answers, fan_out},
};

/// The state of one node.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NodeHealth {
    /// The node's address, without a password.
    pub node: String,
    /// Whether it votes.
    pub state: NodeState,
    /// How long it took to answer. `None` if it did not.
    pub latency: Option<Duration>,
    /// The server's version. Empty if it is unknown.
    pub version: String,
    /// The masters of a Redis Cluster; empty for other nodes.
    pub servers: Vec<ServerHealth>,
}

/// The state of one master of a Redis Cluster.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerHealth {
    /// The server's address.
    pub server: String,
    /// Its hash slots: the first and the last of each range.
    pub slots: Vec<RangeInclusive<u16>>,
    /// Whether it votes.
    pub state: NodeState,
}

/// Whether a node votes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeState {
    /// It answers, and its votes count.
    Up,
    /// It answers, but it restarted and may have forgotten locks: its votes do not count for this long.
    Quarantined {
        /// The rest of the guard time.
        left: Duration,
    },
    /// Some servers of a Redis Cluster have no vote for the keys of their slots; the others have.
    /// [`NodeHealth::servers`] lists them.
    Partial {
        /// The servers without a vote, with their slots and the cause.
        cause: String,
    },
    /// It has no vote.
    Down {
        /// The cause.
        cause: String,
    },
}

pub(crate) async fn ask(core: &Arc<Core>) -> Vec<NodeHealth> {
    // A little more than the node time-out, after which a connection reports why the node cannot
    // answer.
    let within = core.nodes.timeout + core.nodes.timeout / 10;
    let answers = match probe(core, within).await {
        Ok(answers) => answers.0,
        Err(_) => return Vec::new(),
    };
    let nodes = core.nodes.states.iter().zip(answers);
    nodes
        .map(|(node, answer)| {
            let servers = servers(node, core.nodes.now());
            NodeHealth {
                node: node.name().to_owned(),
                version: node.version(),
                latency: answer.as_ref().ok().map(|answer| answer.latency),
                state: match answer {
                    Err(fault) => NodeState::Down {
                        cause: fault.to_string(),
                    },
                    Ok(answer) => match (answer.reply, without_vote(&servers)) {
                        (_, Some(cause)) => NodeState::Partial { cause },
                        (Reply::Quarantined { left }, None) => NodeState::Quarantined { left },
                        (_, None) => NodeState::Up,
                    },
                },
                servers,
            }
        })
        .collect()
}

fn servers(node: &Node, now: Instant) -> Vec<ServerHealth> {
    let health = |part: Part| ServerHealth {
        server: part.server,
        slots: part
            .slots
            .into_iter()
            .map(|(first, last)| first..=last)
            .collect(),
        state: match (part.fault, part.left) {
            (Some(fault), _) => NodeState::Down {
                cause: fault.to_string(),
            },
            (None, Some(left)) => NodeState::Quarantined { left },
            (None, None) => NodeState::Up,
        },
    };
    node.look_at_parts(now).into_iter().map(health).collect()
}

/// The servers of a cluster that are down, with their slots.
fn without_vote(servers: &[ServerHealth]) -> Option<String> {
    let down = servers.iter().filter_map(|server| match &server.state {
        NodeState::Down { cause } => {
            let slots = server
                .slots
                .iter()
                .map(|slots| format!("{}-{}", slots.start(), slots.end()));
            let slots = slots.collect::<Vec<_>>().join(", ");
            Some(format!("{} (slots {slots}): {cause}", server.server))
        }
        _ => None,
    });
    let down: Vec<String> = down.collect();
    let unserved = unserved(servers);
    let all: Vec<String> = down.into_iter().chain(unserved).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// The slots of a cluster that no server has.
fn unserved(servers: &[ServerHealth]) -> Option<String> {
    const END: u16 = 16_384;
    let mut served: Vec<&RangeInclusive<u16>> = servers.iter().flat_map(|one| &one.slots).collect();
    served.sort_unstable_by_key(|slots| *slots.start());
    let mut gaps = Vec::new();
    let mut next = if served.is_empty() { END } else { 0 };
    for slots in served.into_iter().chain([&(END..=END)]) {
        if *slots.start() > next {
            gaps.push(format!("{next}-{}", slots.start() - 1));
        }
        next = next.max(slots.end().saturating_add(1));
    }
    let gaps = gaps.join(", ");
    (!gaps.is_empty()).then(|| format!("no server has the slots {gaps}"))
}

/// Waits for the first answer of each node and reports its state. Fails if there is no quorum.
pub(crate) async fn first_contact(core: &Arc<Core>) -> Result<()> {
    let answers = ping(core, core.nodes.contact_within()).await?;
    for (node, answer) in core.nodes.states.iter().zip(&answers.0) {
        match answer {
            Ok(answer) => {
                describe(node, answer, core.nodes.now());
                if let Some(cause) = without_vote(&servers(node, core.nodes.now())) {
                    events::servers_unavailable(node.name(), &cause);
                }
            }
            Err(fault) => {
                // The cause was reported when it was found.
                if node.barred().is_none() {
                    events::unavailable(node.name(), fault);
                }
                let misconfigured = [
                    FaultKind::SameServer,
                    FaultKind::ReadOnly,
                    FaultKind::OtherMaxTtl,
                    FaultKind::NoRunId,
                    FaultKind::OtherNodes,
                ];
                if misconfigured.contains(&fault.kind) {
                    let name = node.name();
                    return Err(Error::invalid_nodes(format!("node {name}: {fault}")));
                }
            }
        }
    }
    let lists = &core.nodes.lists;
    lists
        .until_complete(core.nodes.timeout, || core.now())
        .await;
    if let Some(refusal) = lists.refusal(core.now()) {
        return Err(Error::invalid_nodes(refusal.text));
    }
    let errors = answers.errors(&core.nodes);
    let (up, quorum) = (core.nodes.len() - errors.len(), core.nodes.quorum());
    if up < quorum {
        return Err(Error::no_quorum(None, up, quorum, errors));
    }
    events::connected(up, core.nodes.len(), quorum);
    Ok(())
}

/// What an operator should know about a node, besides that it is up, which is an event of its own.
fn describe(node: &Node, answer: &Answer, now: Instant) {
    // A quarantine that this client decided on was reported at that time.
    if let Reply::Quarantined { left } = &answer.reply
        && node.quarantined(now).is_none()
    {
        let why = "node may have forgotten locks, by its own record";
        events::quarantined(node.name(), &why, *left);
    }
    if let Some(policy) = node.eviction().filter(|policy| policy != "noeviction") {
        events::evicts(node.name(), &policy);
    }
}

/// Asks every node whether it would vote, and waits for all of them for at most this long.
async fn probe(core: &Arc<Core>, within: Duration) -> Result<Answers> {
    let (connections, nodes) = (core.connections()?, &core.nodes);
    let Some(key) = Key::probe(&core.defaults.namespace, 0).map(Arc::new) else {
        return ping(core, within).await;
    };
    let fencing = core.defaults.fencing;
    Ok(fan_out(
        nodes,
        &connections,
        key,
        Probe { fencing }.into(),
        within,
        |_| false,
    )
    .await)
}

/// Asks every node, and waits for all of them for at most this long.
async fn ping(core: &Arc<Core>, within: Duration) -> Result<Answers> {
    let (connections, nodes) = (core.connections()?, &core.nodes);
    // The command ignores its key.
    let key = Arc::new(Key::new("", "ping")?);
    Ok(fan_out(nodes, &connections, key, Ping.into(), within, |_| false).await)
}
