//! What happened, the newest last: a bounded list that readers can wait on.

mod live;
mod recorder;

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

pub(crate) use live::routes;
pub(crate) use recorder::recorder;
use serde::Serialize;
use tokio::sync::watch;

/// Maximum number of entries that are kept.
const KEPT: usize = 200;

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A request reached the layer.
    Request,
    Granted,
    Refused,
    Released,
    Lost,
    /// A node went down, or may have forgotten locks.
    Node,
    #[serde(rename = "up")]
    NodeUp,
    /// A holder did something else than it should.
    Holder,
    /// The store accepted a write.
    Written,
    /// The store refused a write.
    Fenced,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entry {
    /// When it happened, in milliseconds since 1970, or one more than the entry before it: the number is unique, and still larger
    /// than all before it when the shop was started again.
    id: u64,
    kind: Kind,
    /// The key, the node or the holder that it is about.
    subject: String,
    text: String,
}

#[derive(Debug, Default)]
pub(crate) struct Timeline {
    entries: Mutex<VecDeque<Entry>>,
    newest: watch::Sender<u64>,
}

impl Timeline {
    pub(crate) fn record(&self, kind: Kind, subject: String, text: String) {
        let mut entries = self.entries();
        if matches!(kind, Kind::Node | Kind::NodeUp) {
            // Every client in this process notices what happens to a node. One entry is enough.
            let last = entries.iter().rev().find(|entry| entry.subject == subject);
            if last.is_some_and(|last| last.text == text) {
                return;
            }
        }
        let last = entries.back().map_or(0, |entry| entry.id);
        let id = now().max(last + 1);
        if entries.len() == KEPT {
            entries.pop_front();
        }
        entries.push_back(Entry {
            id,
            kind,
            subject,
            text,
        });
        drop(entries);
        self.newest.send_replace(id);
    }

    /// All entries.
    pub(crate) fn list(&self) -> Vec<Entry> {
        self.entries().iter().cloned().collect()
    }

    /// The first entry after `seen`, as soon as there is one.
    pub(crate) async fn next(&self, seen: u64) -> Entry {
        let mut newest = self.newest.subscribe();
        loop {
            let next = self.entries().iter().find(|entry| entry.id > seen).cloned();
            if let Some(entry) = next {
                return entry;
            }
            // An error means that the sender is gone, but it is in `self`.
            let _ = newest.changed().await;
        }
    }

    /// The keys of the newest grants, the newest first.
    pub(crate) fn granted_lately(&self, most: usize) -> Vec<String> {
        let mut keys: Vec<String> = Vec::new();
        for entry in self.entries().iter().rev() {
            if keys.len() == most {
                break;
            }
            if entry.kind == Kind::Granted && !keys.contains(&entry.subject) {
                keys.push(entry.subject.clone());
            }
        }
        keys
    }

    fn entries(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}
