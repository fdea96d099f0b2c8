//! Releases that no runtime has taken yet: those of guards that end outside of a runtime, and those
//! that a runtime left behind when it ended. The next runtime that uses the client delivers them.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use tokio::sync::Notify;

use super::Operation;
use crate::env::sync::lock;

/// Releases to be delivered by whichever runtime is next.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    ops: Mutex<Vec<Operation>>,
    /// Whether it is not empty. Read before each use of a connection.
    any: AtomicBool,
    /// Wakes the runtimes that have used the client. The first one to run takes everything.
    news: Notify,
}

impl Outbox {
    pub(super) fn push(&self, ops: impl IntoIterator<Item = Operation>) {
        let mut waiting = lock(&self.ops);
        waiting.extend(ops);
        if waiting.is_empty() {
            return;
        }
        self.any.store(true, SeqCst);
        drop(waiting);
        self.news.notify_waiters();
    }

    /// Makes the watchers check whether they are still needed.
    pub(super) fn wake(&self) {
        self.news.notify_waiters();
    }

    /// Takes everything.
    pub(super) fn take(&self) -> Vec<Operation> {
        if !self.any.load(SeqCst) {
            return Vec::new();
        }
        let mut waiting = lock(&self.ops);
        self.any.store(false, SeqCst);
        std::mem::take(&mut waiting)
    }

    /// Calls `deliver` whenever there is something, until it returns `false`.
    pub(super) async fn watch(&self, deliver: impl Fn() -> bool) {
        loop {
            let news = self.news.notified();
            tokio::pin!(news);
            // Registered before the check, so that no wake-up is missed in between.
            news.as_mut().enable();
            if !deliver() {
                return;
            }
            news.await;
        }
    }
}
