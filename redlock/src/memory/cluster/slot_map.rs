//! Which server of a cluster in memory has which slots.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use crate::{env::sync::lock, key::slot::SLOTS};

/// The place of a server in its cluster.
#[derive(Clone, Debug)]
pub(in crate::memory) struct Membership {
    pub(in crate::memory) index: usize,
    pub(in crate::memory) map: Arc<Mutex<SlotMap>>,
    /// The map when the server was cut off from the others.
    pub(in crate::memory) outdated: Option<SlotMap>,
}

impl Membership {
    /// Reads the map as the server knows it.
    pub(in crate::memory) fn with_map<T>(&self, read: impl FnOnce(&SlotMap) -> T) -> T {
        match &self.outdated {
            Some(map) => read(map),
            None => read(&lock(&self.map)),
        }
    }
}

/// Who carries out the commands for a slot, as one server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::memory) enum Owner {
    Myself,
    /// The slot is moving from this server to that one.
    MovingTo(String),
    /// The slot is moving from that server to this one.
    MovingFrom(String),
    Other(String),
}

#[derive(Clone, Debug)]
pub(in crate::memory) struct SlotMap {
    names: Vec<String>,
    /// The server of each slot.
    owners: Vec<usize>,
    /// Slots that are moving, and to which server.
    moving: BTreeMap<u16, usize>,
    /// In which epoch each server got its slots.
    epochs: Vec<u64>,
    epoch: u64,
}

impl SlotMap {
    pub(super) fn new(names: Vec<String>, masters: usize) -> Self {
        let per_master = usize::from(SLOTS).div_ceil(masters);
        Self {
            owners: (0..usize::from(SLOTS))
                .map(|slot| slot / per_master)
                .collect(),
            moving: BTreeMap::new(),
            epochs: (1..).take(names.len()).collect(),
            epoch: u64::try_from(names.len()).unwrap_or(u64::MAX),
            names,
        }
    }

    pub(super) fn owner(&self, slot: u16) -> usize {
        self.owners[usize::from(slot)]
    }

    pub(super) fn take_over(&mut self, from: usize, to: usize) {
        for owner in &mut self.owners {
            if *owner == from {
                *owner = to;
            }
        }
        let owners = &self.owners;
        self.moving
            .retain(|slot, to| owners[usize::from(*slot)] != *to);
        self.elect(to);
    }

    pub(super) fn begin_move(&mut self, slot: u16, to: usize) {
        if self.owner(slot) != to {
            self.moving.insert(slot, to);
        }
    }

    /// From which server to which one the slot is moving.
    pub(super) fn is_moving(&self, slot: u16) -> Option<(usize, usize)> {
        let to = self.moving.get(&slot)?;
        Some((self.owner(slot), *to))
    }

    pub(super) fn end_move(&mut self, slot: u16) {
        if let Some(to) = self.moving.remove(&slot) {
            self.owners[usize::from(slot)] = to;
            self.elect(to);
        }
    }

    fn elect(&mut self, server: usize) {
        self.epoch += 1;
        self.epochs[server] = self.epoch;
    }

    /// Who has a slot, for server `me`.
    pub(in crate::memory) fn owner_for(&self, me: usize, slot: u16) -> Owner {
        let owner = self.owner(slot);
        match self.moving.get(&slot) {
            Some(to) if owner == me => Owner::MovingTo(self.address(*to)),
            Some(to) if *to == me => Owner::MovingFrom(self.address(owner)),
            _ if owner == me => Owner::Myself,
            _ => Owner::Other(self.address(owner)),
        }
    }

    /// As in redirections and in the map.
    fn address(&self, server: usize) -> String {
        format!("{}:0", self.names[server])
    }

    pub(in crate::memory) fn name(&self, server: usize) -> &str {
        &self.names[server]
    }

    /// The ranges of slots: first, last, server.
    pub(in crate::memory) fn ranges(&self) -> Vec<(usize, usize, usize)> {
        let mut ranges: Vec<(usize, usize, usize)> = Vec::new();
        for (slot, owner) in self.owners.iter().enumerate() {
            match ranges.last_mut() {
                Some((_, last, of)) if of == owner => *last = slot,
                _ => ranges.push((slot, slot, *owner)),
            }
        }
        ranges
    }

    /// The reply to `CLUSTER INFO`.
    pub(in crate::memory) fn info(&self) -> String {
        format!(
            "cluster_enabled:1\r\ncluster_state:ok\r\ncluster_current_epoch:{}\r\n",
            self.epoch
        )
    }

    /// The reply to `CLUSTER NODES` of server `me`.
    pub(in crate::memory) fn nodes(&self, me: usize) -> String {
        let ranges = self.ranges();
        let mut text = String::new();
        for (server, name) in self.names.iter().enumerate() {
            let myself = if server == me { "myself," } else { "" };
            // Writing to a string does not fail.
            let _ = write!(
                text,
                "{name} {}@0 {myself}master - 0 0 {} connected",
                self.address(server),
                self.epochs[server]
            );
            for (first, last, _) in ranges.iter().filter(|range| range.2 == server) {
                let _ = write!(text, " {first}-{last}");
            }
            let leaving = self.moving.iter();
            let leaving = leaving.filter(|(slot, _)| server == me && self.owner(**slot) == me);
            for (slot, to) in leaving {
                let _ = write!(text, " [{slot}->-{}]", self.names[*to]);
            }
            text.push('\n');
        }
        text
    }
}
