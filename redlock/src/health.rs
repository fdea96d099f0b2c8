//! How the nodes are: at the first contact, and whenever somebody asks.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::Notify;

use crate::{
    client::Core,
    clock::Instant,
    error::{Error, NodeError, Result},
    key::Key,
    node::{Ballot, Call, Fault, FaultKind, NodeState as Node, Op, Reply, What},
    sync::lock,
};

/// How one node is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NodeHealth {
    /// The node's address, without a password.
    pub node: String,
    /// Whether it votes.
    pub state: NodeState,
    /// How long it took to answer; `None` if it did not.
    pub latency: Option<Duration>,
    /// The server's version; empty if it never told.
    pub version: String,
}

/// Whether a node votes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeState {
    /// It answers, and its votes count.
    Up,
    /// It answers, but it restarted and may have forgotten locks: its votes do not count for this long.
    Quarantined {
        /// What is left of the guard time.
        left: Duration,
    },
    /// It has no vote.
    Down {
        /// Why.
        cause: String,
    },
}

pub(crate) async fn ask(core: &Arc<Core>) -> Vec<NodeHealth> {
    let heard = ping(core).await;
    let nodes = core.nodes.states.iter().zip(heard);
    nodes
        .map(|(node, heard)| NodeHealth {
            node: node.name().to_owned(),
            version: node.version(),
            latency: heard.as_ref().ok().map(|answer| answer.latency),
            state: match heard {
                Ok(Answer { abstains: None, .. }) => NodeState::Up,
                Ok(Answer {
                    abstains: Some(left),
                    ..
                }) => NodeState::Quarantined { left },
                Err(fault) => NodeState::Down {
                    cause: fault.to_string(),
                },
            },
        })
        .collect()
}

/// What a node answered in time.
#[derive(Debug)]
struct Answer {
    latency: Duration,
    /// For how long its yes is no vote.
    abstains: Option<Duration>,
}

/// Waits for each node's first answer, tells how it is, and fails where no quorum is to be had.
pub(crate) async fn first_contact(core: &Arc<Core>) -> Result<()> {
    let mut unusable = Vec::new();
    let heard = ping(core).await;
    for (node, heard) in core.nodes.states.iter().zip(&heard) {
        match heard {
            Ok(answer) => describe(node, answer),
            Err(fault) => {
                tracing::warn!(node = node.name(), cause = %fault, "node unavailable");
                if matches!(
                    fault.kind,
                    FaultKind::SameServer | FaultKind::ReadOnly | FaultKind::OtherMaxTtl
                ) {
                    return Err(Error::invalid_nodes(format!(
                        "node {}: {fault}",
                        node.name()
                    )));
                }
                unusable.push(NodeError::new(node.name(), fault.kind, fault.text.clone()));
            }
        }
    }
    let (up, quorum) = (core.nodes.len() - unusable.len(), core.nodes.quorum());
    if up < quorum {
        return Err(Error::no_quorum(None, up, quorum, unusable));
    }
    tracing::info!(up, nodes = core.nodes.len(), quorum, "connected");
    Ok(())
}

fn describe(node: &Node, answer: &Answer) {
    let latency = answer.latency;
    match answer.abstains {
        Some(left) => tracing::warn!(
            node = node.name(),
            seconds = left.as_secs() + 1,
            "node connected, but without a vote for a while: it may have forgotten locks"
        ),
        None => tracing::info!(
            node = node.name(), version = %node.version(), ?latency, "node connected"
        ),
    }
    if let Some(policy) = node.eviction().filter(|policy| policy != "noeviction") {
        tracing::warn!(
            node = node.name(), %policy,
            "node may evict lock keys when its memory is full, which releases locks silently: set maxmemory-policy to noeviction"
        );
    }
}

/// Asks every node, and waits for all at most the node time-out.
async fn ping(core: &Arc<Core>) -> Vec<std::result::Result<Answer, Fault>> {
    let timeout = core.nodes.timeout;
    let silent = || {
        Fault::unknown(
            FaultKind::TimedOut,
            format!("no answer within {} ms", timeout.as_millis()),
        )
    };
    // PING has no key; any will do.
    let (Ok(driver), Ok(key)) = (core.driver(), Key::new("", "ping")) else {
        return core.nodes.states.iter().map(|_| Err(silent())).collect();
    };
    let probe = Arc::new(Probe {
        call: Call {
            key: Arc::new(key),
            what: What::Ping,
        },
        heard: Mutex::new(vec![None; core.nodes.len()]),
        news: Notify::new(),
        core: Arc::clone(core),
    });
    let asked = core.now();
    for node in 0..core.nodes.len() {
        driver.submit(Op {
            ballot: Arc::clone(&probe) as Arc<dyn Ballot>,
            node,
        });
    }
    // A little more than the node time-out, within which the lanes say themselves why they cannot connect.
    let _ = tokio::time::timeout(timeout + timeout / 10, probe.all()).await;
    let heard = lock(&probe.heard).clone();
    heard
        .into_iter()
        .map(|heard| match heard {
            None => Err(silent()),
            Some((_, Reply::Failed(fault))) => Err(fault),
            Some((at, reply)) => Ok(Answer {
                latency: at.saturating_since(asked),
                abstains: match reply {
                    Reply::Abstains { left } => Some(left),
                    _ => None,
                },
            }),
        })
        .collect()
}

/// Notes when each node answered what.
struct Probe {
    call: Call,
    heard: Mutex<Vec<Option<(Instant, Reply)>>>,
    news: Notify,
    core: Arc<Core>,
}

impl Probe {
    async fn all(&self) {
        while lock(&self.heard).iter().any(Option::is_none) {
            self.news.notified().await;
        }
    }
}

impl Ballot for Probe {
    fn call(&self) -> &Call {
        &self.call
    }

    fn wanted(&self) -> bool {
        true
    }

    fn vote(&self, node: usize, reply: Reply) {
        let now = self.core.now();
        if let Some(slot) = lock(&self.heard).get_mut(node) {
            slot.get_or_insert((now, reply));
        }
        self.news.notify_one();
    }
}
