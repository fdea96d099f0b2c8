//! The client's end of its way to a node in memory.

use std::{
    sync::{Arc, Weak, atomic::AtomicU64},
    time::Duration,
};

use super::{Node, parcel};
use crate::{
    env::clock::Clock,
    node::{NodeState, Nodes, Operation, Strict},
};

/// After this many node time-outs of silence the connection is given up, as a lane gives up one to a server.
const GIVE_UP: u32 = 4;

/// One client's way to one node.
#[derive(Debug)]
pub(in crate::node) struct Port {
    node: Node,
    client: Client,
}

/// Who sent an operation.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) nodes: Weak<Nodes>,
    pub(super) state: Arc<NodeState>,
    pub(super) index: usize,
    pub(super) clock: Clock,
    pub(super) retention: Duration,
    pub(super) strict: Option<Strict>,
    /// How long a node may take for an operation.
    pub(super) timeout: Duration,
    /// How long it waits for an answer before it gives up the connection.
    pub(super) patience: Duration,
    /// The last connection over which the node told who it is.
    pub(super) greeted: Arc<AtomicU64>,
    /// How often the process that it knows had emptied its data.
    pub(super) emptied: Arc<AtomicU64>,
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
                timeout: nodes.timeout,
                patience: nodes.timeout.saturating_mul(GIVE_UP),
                greeted: Arc::default(),
                emptied: Arc::default(),
            },
        }
    }

    pub(in crate::node) fn submit(&self, op: Operation) {
        parcel::send(&self.node, &self.client, op);
    }
}
