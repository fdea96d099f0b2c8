//! Releases that no runtime has taken on: those of guards that end outside of a runtime, and those that a runtime left
//! behind when it ended. The next runtime that uses the client delivers them.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use tokio::sync::Notify;

use super::Operation;
use crate::env::sync::lock;

/// What a client has to deliver, whoever does.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    ops: Mutex<Vec<Operation>>,
    /// Whether there is anything: read before each use of a connection.
    any: AtomicBool,
    /// Wakes the runtimes that the client has been used in: the first that runs takes all.
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

    /// Lets those who watch look whether they still have to.
    pub(super) fn wake(&self) {
        self.news.notify_waiters();
    }

    /// Takes all there is.
    pub(super) fn take(&self) -> Vec<Operation> {
        if !self.any.load(SeqCst) {
            return Vec::new();
        }
        let mut waiting = lock(&self.ops);
        self.any.store(false, SeqCst);
        std::mem::take(&mut waiting)
    }

    /// Hands what comes to `deliver`, until that says no more.
    pub(super) async fn watch(&self, deliver: impl Fn() -> bool) {
        loop {
            let news = self.news.notified();
            tokio::pin!(news);
            // Registered before the look, so that nothing is missed in between.
            news.as_mut().enable();
            if !deliver() {
                return;
            }
            news.await;
        }
    }
}
