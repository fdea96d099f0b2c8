//! The record that a node in memory keeps of itself and of its clients' lists of nodes, as `introduce.lua` does.
//!
//! Clients talk to it past the simulated network, whenever they read an answer: what a server is told a round trip before its
//! votes count, a node in memory knows already.

use std::time::Duration;

use crate::{
    command::{Announcement, NodeRecord, OtherList},
    env::{clock::Instant, sync::lock},
    node::{Endpoint, Nodes, state::Forgot},
    quorum::lists::NodeList,
};

use super::Node;

/// The most lists that stand side by side.
const MOST: usize = 16;

/// One record.
#[derive(Debug)]
pub(super) struct Record {
    id: String,
    life: String,
    /// When a client that knew the node found it empty.
    emptied: Option<Instant>,
    lists: Vec<Standing>,
}

/// A list that was announced.
#[derive(Debug)]
struct Standing {
    until: Instant,
    list: NodeList,
    names: String,
}

impl Record {
    pub(super) fn new(said: &Announcement, now: Instant) -> Self {
        let (id, emptied) = match said.known.is_empty() {
            true => (&said.fresh, None),
            false => (&said.known, Some(now)),
        };
        Self {
            id: id.clone(),
            emptied,
            life: said.fresh.clone(),
            lists: Vec::new(),
        }
    }

    pub(super) fn introduce(&mut self, said: &Announcement, now: Instant) -> NodeRecord {
        let mut mine = NodeList {
            size: said.size,
            met: said.others.clone(),
        };
        if said.counts_this {
            mine.met.push(self.id.clone());
        }
        self.lists.retain(|standing| standing.until > now);
        let mut others = self.lists.iter();
        let refused = others.find(|standing| mine.may_conflict_with(&standing.list));
        let refused = refused.map(|standing| OtherList {
            ids: standing.list.met.clone(),
            names: standing.names.clone(),
            left: standing.until.saturating_since(now),
        });
        let refused = refused.or_else(|| {
            (self.lists.len() >= MOST).then(|| OtherList {
                ids: Vec::new(),
                names: "of 16 other lists".to_owned(),
                left: Duration::ZERO,
            })
        });
        if refused.is_none() && !said.lifetime.is_zero() {
            self.lists
                .retain(|standing| !standing.list.is_part_of(&mine));
            self.lists.push(Standing {
                until: now.after(said.lifetime),
                list: mine,
                names: said.names.clone(),
            });
        }
        NodeRecord {
            id: self.id.clone(),
            life: self.life.clone(),
            emptied: self.emptied.map(|at| now.saturating_since(at)),
            refused,
        }
    }
}

impl Node {
    /// What the node says to an announcement; nothing while it is down or hangs.
    fn introduce(&self, record: &str, said: &Announcement) -> Option<NodeRecord> {
        let mut state = lock(&self.inner.state);
        (state.up && state.hung.is_none()).then(|| state.store.introduce(record, said))
    }
}

/// Announces the client's list to all of its nodes in memory, where there is anything new to say.
pub(super) fn announce(nodes: &Nodes) {
    /// Each pass may meet a node, of which the others are told in the next one.
    const PASSES: usize = 3;
    let lists = &nodes.lists;
    let version = lists.version();
    for _ in 0..PASSES {
        let now = nodes.now();
        let mut any = false;
        for (index, place) in nodes.places.iter().enumerate() {
            let state = &nodes.states[index];
            let Endpoint::Memory(node) = place else {
                continue;
            };
            if !state.was_met() || !lists.is_stale(index, now) {
                continue;
            }
            let said = lists.announcement(index, now, nodes.random.draw());
            if let Some(introduction) = node.introduce(&lists.record, &said.announcement) {
                any = true;
                if let Some(ago) = introduction.emptied {
                    state.was_emptied(now.before(ago));
                }
                if lists.introduced(index, &said, introduction, now) {
                    nodes.forget(state, Forgot::Emptied);
                }
            }
        }
        if !any {
            break;
        }
    }
    if lists.version() != version {
        nodes.announce();
    }
}
