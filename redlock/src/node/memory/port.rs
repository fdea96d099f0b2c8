//! The way from a client to a node in memory.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use super::{Node, store::Outcome};
use crate::{
    clock::Clock,
    node::{Fault, FaultKind, Info, NodeState, Nodes, Op, Reply, Strict, What},
    sync::lock,
};

/// The most operations a hanging node takes in, as a socket's buffer would.
const MOST_HELD: usize = 8_192;

/// One client's way to one node.
#[derive(Debug)]
pub(in crate::node) struct Port {
    node: Node,
    client: Client,
}

/// Who sent an operation.
#[derive(Clone, Debug)]
pub(super) struct Client {
    nodes: Weak<Nodes>,
    state: Arc<NodeState>,
    index: usize,
    clock: Clock,
    retention: Duration,
    strict: Option<Strict>,
}

impl Port {
    pub(in crate::node) fn new(nodes: &Arc<Nodes>, index: usize, node: &Node) -> Self {
        Self {
            node: node.clone(),
            client: Client {
                nodes: Arc::downgrade(nodes),
                state: Arc::clone(&nodes.states[index]),
                index,
                clock: nodes.clock,
                retention: nodes.retention,
                strict: nodes.strict.clone(),
            },
        }
    }

    pub(in crate::node) fn submit(&self, op: Op) {
        let delay = lock(&self.node.0.state).delay;
        if delay.is_zero() {
            return self.node.arrive(&self.client, op);
        }
        let (node, client) = (self.node.clone(), self.client.clone());
        let later = async move {
            tokio::time::sleep(delay).await;
            node.arrive(&client, op);
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(later)),
            // A guard dropped outside of any runtime: nobody could wait there.
            Err(_) => drop(later),
        }
    }
}

impl Node {
    /// An operation has come to the node.
    pub(super) fn arrive(&self, client: &Client, op: Op) {
        let mut state = lock(&self.0.state);
        if !state.up {
            // A release is owed until it is pointless, as a lane owes it to a server.
            if op.ballot.call().what.give_up().is_some() && state.owed.len() < MOST_HELD {
                state.owed.push((client.clone(), op.clone()));
            }
            drop(state);
            return refuse([(client.clone(), op)]);
        }
        if state.hung {
            if state.held.len() < MOST_HELD {
                state.held.push((client.clone(), op));
                return;
            }
            drop(state);
            let full = Fault::untouched(
                FaultKind::Backlog,
                format!("{MOST_HELD} operations wait for this node already"),
            );
            return op.answer(Reply::Failed(full));
        }
        let process = state.process.clone();
        let call = op.ballot.call();
        let marked = matches!(
            call.what,
            What::Acquire { .. } | What::Extend { .. } | What::Ping
        );
        let abstains = match &client.strict {
            Some(strict) if marked => state.store.abstains(strict, &process.run_id),
            Some(strict) if matches!(call.what, What::Trust) => {
                state.store.trust(strict, &process.run_id);
                None
            }
            _ => None,
        };
        let outcome = match abstains {
            Some(failed @ Reply::Failed(_)) => Outcome::Vote(failed),
            abstains => {
                let outcome = state
                    .store
                    .carry_out(&call.key, &call.what, client.retention);
                match (outcome, abstains) {
                    (Outcome::Vote(Reply::Yes | Reply::Healed), Some(abstains)) => {
                        Outcome::Vote(abstains)
                    }
                    (outcome, _) => outcome,
                }
            }
        };
        drop(state);
        let now = client.clock.now();
        if client.state.run_id_is_not(&process.run_id)
            && let Some(nodes) = client.nodes.upgrade()
        {
            nodes.admit(
                client.index,
                &Info {
                    run_id: process.run_id,
                    version: "memory".to_owned(),
                    uptime: now.saturating_since(process.started),
                    ..Info::default()
                },
            );
        }
        client.state.came_back();
        if let Outcome::Saw(sight) = &outcome {
            op.ballot.saw(op.node, sight.clone());
        }
        let reply = match (client.state.barred(), outcome) {
            (Some(fault), _) => Reply::Failed(Fault::unknown(fault.kind, fault.text)),
            (None, Outcome::Saw(_)) => Reply::Yes,
            (None, Outcome::Vote(reply)) => client.state.weigh(reply, now),
        };
        op.answer(reply);
    }
}

/// Delivers what was owed while the node was down, as far as it is still of use.
pub(super) fn deliver(node: &Node, owed: Vec<(Client, Op)>) {
    for (client, op) in owed {
        if op
            .ballot
            .call()
            .what
            .give_up()
            .is_some_and(|until| until > client.clock.now())
        {
            node.arrive(&client, op);
        }
    }
}

/// Tells the senders that the node is down.
pub(super) fn refuse(ops: impl IntoIterator<Item = (Client, Op)>) {
    for (client, op) in ops {
        let fault = Fault::untouched(FaultKind::Unreachable, "stopped");
        client.state.went_down(&fault);
        op.answer(Reply::Failed(fault));
    }
}
