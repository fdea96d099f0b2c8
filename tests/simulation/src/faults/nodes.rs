//! Faults of the nodes, which affect all clients.

use std::{sync::Arc, time::Duration};

use rand::{RngExt, seq::SliceRandom};
use redlock::memory::Node;

use super::{Nemesis, later};
use crate::{
    event::Event,
    plan::{millis, some_ms},
    world::World,
};

/// The length of a string that is longer than any owner.
const SHORT_STRING: usize = 100;
/// The length of a string that no reply should ever contain.
const LONG_STRING: usize = 2 << 20;
/// Longer than any foreign value is left under its key.
const FOREIGN_TTL: Duration = Duration::from_secs(10);

impl Nemesis {
    /// A random selection of at least one node.
    fn some_nodes(&mut self) -> Vec<Node> {
        let mut nodes = self.world.cluster.nodes();
        nodes.shuffle(&mut self.dice);
        nodes.truncate(self.dice.random_range(1..=nodes.len()));
        nodes
    }

    /// Switches a fault on, and off again after `length`.
    fn for_a_while(
        &self,
        nodes: Vec<Node>,
        fault: Event,
        length: Duration,
        switch: fn(&Node, bool),
    ) {
        let names: Vec<&str> = nodes.iter().map(Node::name).collect();
        self.world
            .log(|| format!("{fault:?} for {length:?}: {names:?}"));
        self.world.count(fault);
        for node in &nodes {
            switch(node, true);
        }
        later(length, move || {
            for node in nodes {
                switch(&node, false);
            }
        });
    }

    pub(super) fn stop(&mut self) {
        let node = self.any_node();
        let length = some_ms(&mut self.dice, 5..=400);
        self.for_a_while(
            vec![self.world.cluster.node(node)],
            Event::Stop,
            length,
            |node, on| {
                if on { node.stop() } else { node.start() }
            },
        );
    }

    pub(super) fn hang(&mut self) {
        let node = self.any_node();
        let length = some_ms(&mut self.dice, 5..=100);
        self.for_a_while(
            vec![self.world.cluster.node(node)],
            Event::Hang,
            length,
            hang,
        );
    }

    pub(super) fn long_hang(&mut self) {
        let (nodes, length) = (self.some_nodes(), self.long());
        self.for_a_while(nodes, Event::LongHang, length, hang);
    }

    pub(super) fn fill(&mut self) {
        let (nodes, length) = (self.some_nodes(), self.long());
        self.for_a_while(nodes, Event::Full, length, Node::fill);
    }

    /// Some nodes refuse writes, or all commands, for a while.
    pub(super) fn refuse(&mut self, fault: Event) {
        let most = millis(self.plan().max_ttl);
        let (nodes, length) = (self.some_nodes(), some_ms(&mut self.dice, 5..=most));
        let switch = match fault {
            Event::Loading => Node::load,
            Event::Busy => Node::busy,
            _ => Node::fail_to_save,
        };
        self.for_a_while(nodes, fault, length, switch);
    }

    /// Writes a foreign value under a key that no task locks successfully while it is there.
    pub(super) fn foreign_value(&mut self) {
        let length = some_ms(&mut self.dice, 5..=200);
        let text = |length| Some("x".repeat(length));
        let (text, is_lease) = match self.dice.random_range(0..10) {
            0..2 => (None, false),
            2..5 => (text(SHORT_STRING), false),
            5..8 => (text(SHORT_STRING), true),
            8 => (text(LONG_STRING), false),
            _ => (text(LONG_STRING), true),
        };
        let size = text.as_ref().map(String::len);
        self.world
            .log(|| format!("a foreign value of {size:?} bytes, expires: {is_lease}"));
        self.world.count(Event::ForeignValue);
        for node in self.world.cluster.nodes() {
            match &text {
                None => node.set_hash(World::FOREIGN),
                Some(text) => node.set(World::FOREIGN, text),
            }
            if is_lease {
                node.expire(World::FOREIGN, FOREIGN_TTL);
            }
        }
        if is_lease {
            self.world.count(Event::ForeignLease);
        }
        self.world.history().foreign.change(is_lease);
        let world = Arc::clone(&self.world);
        later(length, move || {
            world.history().foreign.change(false);
            for node in world.cluster.nodes() {
                node.delete(World::FOREIGN);
            }
        });
    }

    pub(super) fn flush_scripts(&mut self) {
        let node = self.any_node();
        self.world.log(|| format!("node {node}: loses its scripts"));
        self.world.count(Event::ScriptFlush);
        self.world.cluster.node(node).flush_scripts();
    }

    pub(super) fn restart(&mut self) {
        let node = self.any_node();
        if self.plan().judges_by_age() && self.may_not_forget(node) {
            return;
        }
        self.world
            .log(|| format!("node {node}: restarts, with its data"));
        self.world.count(Event::Restart);
        self.world.cluster.node(node).restart();
        let now = self.world.now();
        self.world.history().restarted.push((node, now));
    }

    /// Brings the replicas up to date. They do not know the locks that are granted later.
    pub(super) fn copy_to_replicas(&self) {
        for (replica, node) in self.replicas.nodes().iter().zip(self.world.cluster.nodes()) {
            replica.replicate(&node);
            replica.promote();
        }
    }

    /// Makes a node lose data, preferably one whose vote a holder relies on. Does nothing if a
    /// majority of nodes with all their data would no longer be left.
    pub(super) fn forget(&mut self, fault: Event) {
        let is_bare = self.plan().has(Event::BareMajority);
        let node = match is_bare {
            true => self.node_of_a_bare_majority(),
            false => Some(self.node_of_a_holder()),
        };
        let Some(node) = node else { return };
        let now = self.world.now();
        if self.may_not_forget(node) {
            return;
        }
        let switch = self.world.cluster.node(node);
        match fault {
            Event::Flush => switch.flush(),
            Event::EmptyRestart => switch.restart_empty(),
            _ => {
                let replica = self.replicas.node(node);
                if !is_bare && self.dice.random_bool(0.3) {
                    // The replica keeps this state until the next promotion, so it lags behind.
                    self.world
                        .log(|| format!("node {node}: copied to its replica"));
                    replica.replicate(&switch);
                    replica.promote();
                    return;
                }
                self.replace_data(node, &replica);
                let longest = [0, 30][usize::from(!is_bare || self.dice.random_bool(0.3))];
                let length = some_ms(&mut self.dice, 0..=longest);
                if length.is_zero() {
                    switch.promote();
                } else {
                    later(length, move || switch.promote());
                }
            }
        }
        self.world.log(|| format!("node {node}: {fault:?}"));
        self.world.count(fault);
        self.world.history().forgot.push((node, now));
    }

    /// The data of a node becomes that of its replica.
    fn replace_data(&self, node: usize, replica: &Node) {
        let switch = self.world.cluster.node(node);
        let owners = || -> Vec<(usize, Option<String>)> {
            let keys = self.plan().targets();
            keys.map(|key| (key, switch.get(&World::name(key))))
                .collect()
        };
        let before = owners();
        switch.replicate(replica);
        let is_new = |key: &(usize, Option<String>)| !before.contains(key);
        let new = owners().into_iter().filter(is_new);
        let brought_back = new.filter_map(|(key, owner)| Some((node, key, owner?)));
        self.world.history().brought_back.extend(brought_back);
    }

    fn node_of_a_holder(&mut self) -> usize {
        let node = self.any_node();
        let holder = self
            .world
            .history()
            .grants
            .last()
            .map(|grant| (World::name(grant.key), grant.owner.clone()));
        if let Some((name, owner)) = holder
            && self.dice.random_bool(0.5)
        {
            let nodes = self.world.cluster.nodes();
            let holds = |node: usize| nodes[node].get(&name).as_deref() == Some(&owner);
            return (0..nodes.len())
                .map(|step| (node + step) % nodes.len())
                .find(|node| holds(*node))
                .unwrap_or(node);
        }
        node
    }

    /// A node that holds the latest lock, if a bare majority holds it.
    fn node_of_a_bare_majority(&mut self) -> Option<usize> {
        let first = self.any_node();
        let now = self.world.now();
        let latest = self.world.history().grants.last().cloned()?;
        let name = World::name(latest.key);
        let nodes = self.world.cluster.nodes();
        let holds = |node: &usize| nodes[*node].get(&name).as_ref() == Some(&latest.owner);
        let all = (0..nodes.len()).map(|step| (first + step) % nodes.len());
        let holding: Vec<usize> = all.filter(holds).collect();
        let is_bare = now < latest.relied_until() && holding.len() == self.plan().quorum();
        holding.first().copied().filter(|_| is_bare)
    }

    /// Whether too many other nodes have lost data within the guard time. Where new clients judge
    /// nodes by their age, restarted nodes count as well: each majority then needs an old node.
    fn may_not_forget(&self, node: usize) -> bool {
        let (now, guard_time) = (self.world.now(), self.plan().guard_time());
        let history = self.world.history();
        let restarted = match self.plan().judges_by_age() {
            true => &history.restarted[..],
            false => &[],
        };
        let recent = history
            .forgot
            .iter()
            .chain(restarted)
            .filter(|(other, at)| *other != node && *at + guard_time > now);
        let mut others: Vec<usize> = recent.map(|(other, _)| *other).collect();
        others.sort_unstable();
        others.dedup();
        others.len() >= self.plan().minority()
    }

    pub(super) fn delete(&mut self) {
        let key = self.dice.random_range(0..self.plan().keys);
        let nodes = self.some_nodes();
        self.world
            .log(|| format!("key {key} is deleted on {} nodes", nodes.len()));
        self.world.count(Event::Delete);
        for node in &nodes {
            node.delete(&World::name(key));
        }
        if nodes.len() >= self.plan().quorum() {
            let now = self.world.now();
            self.world.history().deleted.push((key, now));
        }
    }
}

fn hang(node: &Node, on: bool) {
    if on { node.hang() } else { node.resume() }
}
