//! The keyspace of a node in memory: values of the types that locks may meet, and when they expire.

use std::{collections::HashMap, time::Duration};

use crate::env::clock::{Clock, Instant};

/// Expired entries are removed when the map has this many entries, and again at twice the number
/// that was left.
const SWEEP: usize = 1_024;

/// Servers count whole milliseconds and never expire a key early, so a key lives for up to this
/// much longer than its ttl.
const GRAIN: Duration = Duration::from_millis(1);

/// A key, or a value of a string.
pub(super) type Bytes = Box<[u8]>;

/// All keys of one node, and its clock.
#[derive(Clone, Debug)]
pub(super) struct Store {
    entries: HashMap<Bytes, Entry>,
    sweep_at: usize,
    /// How far the node's clock is ahead of the machine's.
    ahead: Duration,
    /// The time of the current command. As on a server, it does not change during a script.
    now: Instant,
}

#[derive(Clone, Debug)]
struct Entry {
    value: Value,
    expires: Option<Instant>,
}

/// The value of a key.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(Vec<u8>),
    /// Members by score.
    Sorted(Vec<(u64, Bytes)>),
    /// Any other type, whose content locks never read.
    Hash,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            sweep_at: SWEEP,
            ahead: Duration::ZERO,
            now: Clock::Tokio.now(),
        }
    }
}

impl Store {
    /// Reads the clock, before a command.
    pub(super) fn tick(&mut self) {
        self.now = Clock::Tokio.now().after(self.ahead);
    }

    /// The time of the current command.
    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// Moves the node's clock forward.
    pub(super) fn shift(&mut self, forward: Duration) {
        self.ahead += forward;
        self.tick();
    }

    /// Removes all keys. The clock stays as it is.
    pub(super) fn clear(&mut self) {
        self.entries = HashMap::new();
        self.sweep_at = SWEEP;
    }

    /// Replaces all keys by copies of those of `other`.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.entries.clone_from(&other.entries);
        self.sweep_at = other.sweep_at;
    }

    /// Moves the keys for which `is_moved` holds to `other`, with what is left of their ttl.
    #[cfg(feature = "cluster")]
    pub(super) fn move_to(&mut self, other: &mut Self, is_moved: impl Fn(&[u8]) -> bool) {
        let (here, there) = (self.now, other.now);
        for (key, mut entry) in self.entries.extract_if(|key, _| is_moved(key)) {
            if entry.is_live(here) {
                let left = entry.expires.map(|at| at.saturating_since(here));
                entry.expires = left.map(|left| there.after(left));
                other.entries.insert(key, entry);
            }
        }
    }

    fn entry(&self, key: &[u8]) -> Option<&Entry> {
        self.entries
            .get(key)
            .filter(|entry| entry.is_live(self.now))
    }

    pub(super) fn value(&self, key: &[u8]) -> Option<&Value> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The string under a key. Also `None` if the key has another type.
    pub(super) fn text(&self, key: &[u8]) -> Option<&[u8]> {
        match self.value(key)? {
            Value::Text(text) => Some(text),
            Value::Sorted(_) | Value::Hash => None,
        }
    }

    /// The same, to be changed. The expiry stays.
    pub(super) fn text_mut(&mut self, key: &[u8]) -> Option<&mut Vec<u8>> {
        let now = self.now;
        let entry = self.entries.get_mut(key);
        match &mut entry.filter(|entry| entry.is_live(now))?.value {
            Value::Text(text) => Some(text),
            Value::Sorted(_) | Value::Hash => None,
        }
    }

    /// The sorted set under a key, which is created if the key is missing. `None` if the key has
    /// another type.
    pub(super) fn sorted(&mut self, key: &[u8]) -> Option<&mut Vec<(u64, Bytes)>> {
        if self.entry(key).is_none() {
            self.set(key, Value::Sorted(Vec::new()), None);
        }
        match &mut self.entries.get_mut(key)?.value {
            Value::Sorted(members) => Some(members),
            Value::Text(_) | Value::Hash => None,
        }
    }

    pub(super) fn set(&mut self, key: &[u8], value: Value, ttl: Option<Duration>) {
        let now = self.now;
        let expires = ttl.map(|ttl| now.after(ttl).after(GRAIN));
        let entry = Entry { value, expires };
        match self.entries.get_mut(key) {
            Some(was) => *was = entry,
            None => {
                self.entries.insert(key.into(), entry);
            }
        }
        if self.entries.len() >= self.sweep_at {
            self.entries.retain(|_, entry| entry.is_live(now));
            self.sweep_at = (self.entries.len() * 2).max(SWEEP);
        }
    }

    /// Makes a key expire after `ttl`. Returns whether the key exists.
    pub(super) fn expire(&mut self, key: &[u8], ttl: Duration) -> bool {
        let now = self.now;
        let entry = self.entries.get_mut(key);
        match entry.filter(|entry| entry.is_live(now)) {
            Some(entry) => {
                entry.expires = Some(now.after(ttl).after(GRAIN));
                true
            }
            None => false,
        }
    }

    /// Removes a key. Returns whether it existed.
    pub(super) fn delete(&mut self, key: &[u8]) -> bool {
        let now = self.now;
        self.entries
            .remove(key)
            .is_some_and(|entry| entry.is_live(now))
    }

    /// The remaining ttl of a key. The outer `None`: the key does not exist. The inner one: it does
    /// not expire.
    pub(super) fn left(&self, key: &[u8]) -> Option<Option<Duration>> {
        let entry = self.entry(key)?;
        Some(entry.expires.map(|at| at.saturating_since(self.now)))
    }

    /// The names of all keys, sorted.
    pub(super) fn keys(&self) -> Vec<&[u8]> {
        let live = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.is_live(self.now));
        let mut keys: Vec<&[u8]> = live.map(|(key, _)| &**key).collect();
        keys.sort_unstable();
        keys
    }
}

impl Entry {
    fn is_live(&self, now: Instant) -> bool {
        self.expires.is_none_or(|at| at > now)
    }
}
