//! Fan-out: a command whose replies are reported for each node, with no decision by votes.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::Notify;

use crate::{
    command::{Command, Reply, Request},
    env::{clock::Instant, sync::lock},
    error::NodeError,
    fault::{Fault, FaultKind},
    key::Key,
    node::{ConnectionSet, Nodes, Operation, ReplySink},
};

/// What one node answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) latency: Duration,
    pub(crate) reply: Reply,
}

/// The answers of all nodes, in their order. A silent node has a fault.
#[derive(Debug)]
pub(crate) struct Answers(pub(crate) Vec<Result<Answer, Fault>>);

impl Answers {
    /// The answers of the nodes that executed the command.
    pub(crate) fn done(&self) -> impl Iterator<Item = &Answer> {
        self.0.iter().flatten()
    }

    pub(crate) fn errors(&self, nodes: &Nodes) -> Vec<NodeError> {
        let answers = nodes.states.iter().zip(&self.0);
        answers
            .filter_map(|(node, answer)| {
                let fault = answer.as_ref().err()?;
                Some(NodeError::of(node.name(), fault))
            })
            .collect()
    }
}

/// Sends `command` to every node, and waits until the answers are `enough` or `within` is over. Cancel safe.
pub(crate) async fn fan_out(
    nodes: &Arc<Nodes>,
    connections: &ConnectionSet,
    key: Arc<Key>,
    command: Command,
    within: Duration,
    enough: impl Fn(&[&Answer]) -> bool,
) -> Answers {
    connections
        .first_contact(nodes, nodes.contact_within())
        .await;
    let replies = Arc::new(Replies {
        request: Request { key, command },
        nodes: Arc::clone(nodes),
        sent_at: nodes.now(),
        received: Mutex::new(vec![None; nodes.len()]),
        changed: Notify::new(),
    });
    for node in 0..nodes.len() {
        connections.submit(Operation {
            sink: Arc::clone(&replies) as Arc<dyn ReplySink>,
            node,
        });
    }
    // A node that is still silent then is reported as a fault.
    let _ = tokio::time::timeout(within, replies.wait_for(enough)).await;
    let received = lock(&replies.received).clone();
    let answers = received.into_iter().map(|received| match received {
        Some(Answer {
            reply: Reply::Failed(fault),
            ..
        }) => Err(fault),
        Some(answer) => Ok(answer),
        None => Err(Fault::unknown(
            FaultKind::TimedOut,
            format!("no answer within {} ms", within.as_millis()),
        )),
    });
    Answers(answers.collect())
}

struct Replies {
    request: Request,
    nodes: Arc<Nodes>,
    sent_at: Instant,
    received: Mutex<Vec<Option<Answer>>>,
    changed: Notify,
}

impl Replies {
    async fn wait_for(&self, enough: impl Fn(&[&Answer]) -> bool) {
        loop {
            {
                let received = lock(&self.received);
                let answers: Vec<&Answer> = received.iter().flatten().collect();
                if answers.len() == received.len() || enough(&answers) {
                    return;
                }
            }
            self.changed.notified().await;
        }
    }
}

impl ReplySink for Replies {
    fn request(&self) -> &Request {
        &self.request
    }

    fn wanted(&self) -> bool {
        true
    }

    fn vote(&self, node: usize, reply: Reply) {
        let latency = self.nodes.now().saturating_since(self.sent_at);
        if let Some(received) = lock(&self.received).get_mut(node) {
            received.get_or_insert(Answer { latency, reply });
        }
        self.changed.notify_one();
    }
}
