//! Releases: sent after all commands of their claim, and deferred for nodes that cannot be reached.

use std::{sync::Arc, time::Duration};

use super::{Lease, LeaseOptions};
use crate::{
    command::{Command, Reply, Request},
    env::pending::Tracker,
    error::Result,
    key::Key,
    lock_kind::Claim,
    node::{ConnectionSet, Nodes, ReplySink as _},
    quorum::{
        node_set::NodeSet,
        tally::{Decision, Rule},
    },
    round::{Plan, Round},
};

/// A claim to be released.
#[derive(Debug)]
pub(crate) struct Release {
    pub(crate) key: Arc<Key>,
    pub(crate) options: LeaseOptions,
    pub(crate) claim: Claim,
    /// Nodes that hold the claim, or may come to. The others count as having confirmed.
    pub(crate) touched: NodeSet,
}

impl Release {
    /// Sends the release at once, without waiting. It is confirmed when a quorum is known to be free.
    pub(crate) fn send(
        self,
        nodes: &Arc<Nodes>,
        connections: &ConnectionSet,
        tracker: &Arc<Tracker>,
    ) -> Arc<Round> {
        let command = self.options.kind.release(&self.claim);
        let mut plan = self.plan(command);
        plan.assumed_yes = NodeSet::all(nodes.len()).difference(plan.targets);
        plan.pending = Some(tracker.begin());
        Round::start(nodes, connections, plan)
    }

    /// Like [`send`](Self::send), but the key stays busy for `window` with a value that marks a cool-down: no claim can extend
    /// it, and requests for the key see the cool-down.
    fn send_cool_down(
        self,
        nodes: &Arc<Nodes>,
        connections: &ConnectionSet,
        tracker: &Arc<Tracker>,
        window: Duration,
    ) -> Arc<Round> {
        let until = nodes.now().after(window);
        let command = self.options.kind.cool_down(&self.claim, window, until);
        let untouched = NodeSet::all(nodes.len()).difference(self.touched);
        let mut plan = self.plan(command);
        plan.pending = Some(tracker.begin());
        let round = Round::start(nodes, connections, plan);
        // A node without the claim has nothing to keep busy.
        for node in untouched.iter() {
            round.vote(node, Reply::Gone);
        }
        round
    }

    /// Sends another release, over the connections of the acquire. Nobody waits for it.
    fn send_behind_acquire(&self, nodes: &Arc<Nodes>, connections: &ConnectionSet) {
        let request = Request {
            key: Arc::clone(&self.key),
            command: self.options.kind.release(&self.claim),
        };
        let mut plan = Plan::new(request, Rule::Confirm, self.touched);
        plan.assumed_yes = NodeSet::all(nodes.len()).difference(plan.targets);
        Round::start(nodes, connections, plan);
    }

    fn plan(self, command: Command) -> Plan {
        let request = Request {
            key: self.key,
            command,
        };
        Plan::new(request, Rule::Confirm, self.touched)
    }
}

impl Lease {
    /// Releases the key on the nodes, or keeps it busy for `window`.
    pub(super) fn send_release(&self, window: Option<Duration>) -> Arc<Round> {
        let nodes = &self.core.nodes;
        // The runtime of the acquire may have ended, or may be blocked.
        let connections = &self.core.connection_sets.for_release(&self.connections);
        let release = Release {
            key: Arc::clone(&self.key),
            options: self.options,
            claim: self.claim(),
            touched: self.touched.load().union(self.extended.load()),
        };
        // Over other connections the release may overtake the acquire. With fencing its tombstone bars the acquire then;
        // without, another release has to follow the acquire.
        if !self.options.fencing
            && !Arc::ptr_eq(connections, &self.connections)
            && self.connections.is_alive()
        {
            release.send_behind_acquire(nodes, &self.connections);
        }
        let tracker = &self.core.tracker;
        match window {
            None => release.send(nodes, connections, tracker),
            Some(window) => release.send_cool_down(nodes, connections, tracker, window),
        }
    }

    /// Waits until a majority confirmed the release, at most for the node time-out. Cancel safe: the release continues.
    pub(crate) async fn release_confirmed(&self, release: &Round) -> Result<()> {
        // Waiting needs a runtime; the release is on its way without one too.
        self.core.connections()?;
        let within = self.core.node_timeout(self.options.ttl);
        match release.confirmed(within).await {
            Decision::Won => Ok(()),
            _ => Err(self.no_quorum(release)),
        }
    }
}
