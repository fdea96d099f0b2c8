//! The watch over a hold that a newer request supersedes. It outlives the runtime that acquired the lock, as the lock does.

use std::{
    fmt,
    pin::pin,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::runtime::{Handle, Id, RuntimeFlavor};

use crate::{
    env::sync::lock,
    lease::Hold,
    node::{ClientTask, ConnectionSets},
};

/// Knows about newer requests.
pub(super) trait Newer: fmt::Debug + Send + Sync {
    /// Completes when a newer request was announced. Asks the nodes each time that this long has passed, since a notification may
    /// be lost. Cancel safe.
    fn announced(&self, every: Duration) -> BoxFuture<'_, ()>;
}

/// The watches of a client.
#[derive(Debug)]
pub(in crate::acquire) struct Watches {
    connections: Weak<ConnectionSets>,
    /// Those for which no runtime is left, until the next one uses the client.
    waiting: Mutex<Vec<Watch>>,
}

/// Loses a hold when a newer request is announced.
#[derive(Debug)]
pub(super) struct Watch {
    hold: Weak<Hold>,
    newer: Box<dyn Newer>,
    every: Duration,
    /// The runtimes that it was in. They have ended, or are about to.
    before: Vec<Id>,
}

impl Watch {
    pub(super) fn new(hold: &Arc<Hold>, newer: Box<dyn Newer>, every: Duration) -> Self {
        Self {
            hold: Arc::downgrade(hold),
            newer,
            every,
            before: Vec::new(),
        }
    }

    fn is_needed(&self) -> bool {
        self.hold.upgrade().is_some_and(|hold| hold.is_open())
    }

    /// Ends with the hold.
    async fn run(&self) {
        let Some(hold) = self.hold.upgrade() else {
            return;
        };
        let ended = pin!(Arc::clone(&hold).ended());
        tokio::select! {
            biased;
            () = ended => {}
            () = self.newer.announced(self.every) => hold.lease().superseded(),
        }
    }
}

impl Watches {
    pub(in crate::acquire) fn new(connections: &Arc<ConnectionSets>) -> Self {
        Self {
            connections: Arc::downgrade(connections),
            waiting: Mutex::default(),
        }
    }

    /// Begins a watch in the current runtime.
    pub(super) fn begin(self: &Arc<Self>, watch: Watch) {
        match Handle::try_current() {
            Ok(runtime) => self.run_in(watch, &runtime),
            Err(_) => self.wait(watch),
        }
    }

    fn run_in(self: &Arc<Self>, mut watch: Watch, runtime: &Handle) {
        watch.before.push(runtime.id());
        let running = Running {
            watch: Some(watch),
            watches: Arc::clone(self),
        };
        runtime.spawn(running.run());
    }

    /// The runtime of a watch has ended: another one continues.
    fn continue_elsewhere(self: &Arc<Self>, watch: Watch) {
        let Some(connections) = self.connections.upgrade() else {
            return;
        };
        if !watch.is_needed() {
            return;
        }
        let mut runtimes = connections.runtimes();
        runtimes.retain(|runtime| !watch.before.contains(&runtime.id()));
        // One with a single thread may be idle.
        let next = runtimes
            .iter()
            .find(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)
            .or(runtimes.first());
        match next {
            Some(runtime) => self.run_in(watch, runtime),
            None => self.wait(watch),
        }
    }

    fn wait(&self, watch: Watch) {
        let mut waiting = lock(&self.waiting);
        waiting.retain(Watch::is_needed);
        waiting.push(watch);
    }
}

impl ClientTask for Watches {
    fn continue_here(self: Arc<Self>) {
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        for mut watch in waiting.into_iter().filter(Watch::is_needed) {
            watch.before.clear();
            self.begin(watch);
        }
    }
}

/// A watch in a runtime. Dropped before its end: the runtime has ended.
struct Running {
    watch: Option<Watch>,
    watches: Arc<Watches>,
}

impl Running {
    async fn run(mut self) {
        if let Some(watch) = &self.watch {
            watch.run().await;
        }
        drop(self.watch.take());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.take() {
            self.watches.continue_elsewhere(watch);
        }
    }
}
