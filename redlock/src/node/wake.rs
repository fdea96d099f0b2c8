//! Wake-ups between processes: who waits here for what, and what the nodes tell.
//!
//! A wake-up is a hint and never more: a waiter that hears none looks for itself after a while.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use crate::{protocol::votes::NodeSet, sync::lock};

/// How long a process lets another go first that was told of its release.
const GIVE_WAY: Duration = Duration::from_millis(5);
/// How long after the first node that told of a release the others are waited for.
const GATHER: Duration = Duration::from_millis(5);

/// What a client knows of wake-ups.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    /// The waiters here, by the lock they wait for; one a lock, the head of its line. Empty where nobody waits.
    waiting: Mutex<HashMap<Box<str>, Arc<Wake>>>,
    /// The locks whose release woke another process, for as long as that goes first.
    told: Mutex<HashMap<Box<str>, Instant>>,
    any_told: AtomicBool,
}

#[derive(Debug)]
struct Wake {
    quorum: usize,
    heard: Mutex<Heard>,
    rung: Notify,
}

/// Which nodes told of the same release.
#[derive(Debug, Default)]
struct Heard {
    by: String,
    nodes: NodeSet,
}

/// Waits for the release of a lock. Dropped: no longer.
#[derive(Debug)]
pub(crate) struct Waiting {
    wakes: Arc<Wakes>,
    key: Box<str>,
    wake: Arc<Wake>,
}

impl Wakes {
    pub(crate) fn wait(self: &Arc<Self>, key: &str, quorum: usize) -> Waiting {
        let wake = Arc::new(Wake {
            quorum,
            heard: Mutex::default(),
            rung: Notify::new(),
        });
        lock(&self.waiting).insert(key.into(), Arc::clone(&wake));
        Waiting {
            wakes: Arc::clone(self),
            key: key.into(),
            wake,
        }
    }

    /// A node told that `by` released `key`. Says whether anybody waits for it here.
    pub(crate) fn ring(&self, key: &str, by: &str, node: usize) -> bool {
        let Some(wake) = lock(&self.waiting).get(key).cloned() else {
            return false;
        };
        let mut heard = lock(&wake.heard);
        if heard.by != by {
            *heard = Heard {
                by: by.to_owned(),
                nodes: NodeSet::default(),
            };
        }
        heard.nodes.insert(node);
        if heard.nodes.len() == 1 || heard.nodes.len() == wake.quorum {
            wake.rung.notify_one();
        }
        true
    }

    /// A release of `key` woke another process.
    pub(crate) fn told(&self, key: &str) {
        let now = Instant::now();
        let mut told = lock(&self.told);
        told.retain(|_, until| *until > now);
        told.insert(key.into(), now + GIVE_WAY);
        self.any_told.store(true, Relaxed);
    }

    /// How much longer another process goes first for `key`, which was told that it is free.
    pub(crate) fn gives_way(&self, key: &str) -> Option<Duration> {
        if !self.any_told.load(Relaxed) {
            return None;
        }
        let now = Instant::now();
        let mut told = lock(&self.told);
        told.retain(|_, until| *until > now);
        self.any_told.store(!told.is_empty(), Relaxed);
        told.get(key).map(|until| *until - now)
    }
}

impl Waiting {
    /// Resolves when a majority of the nodes told of one release, or the first did some time ago: with fewer nodes
    /// free, asking would only split the votes. Cancel safe.
    pub(crate) async fn rung(&self) {
        self.wake.rung.notified().await;
        let gather = async {
            while lock(&self.wake.heard).nodes.len() < self.wake.quorum {
                self.wake.rung.notified().await;
            }
        };
        // Too few told: they may have told others first.
        let _ = tokio::time::timeout(GATHER, gather).await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiting = lock(&self.wakes.waiting);
        // Another may have taken the place since.
        if waiting
            .get(&self.key)
            .is_some_and(|wake| Arc::ptr_eq(wake, &self.wake))
        {
            waiting.remove(&self.key);
        }
    }
}
