//! The faults of a node in memory, and of the network to it, as switches; and looking at what it holds.

use std::{mem, time::Duration};

use super::{Node, node::Process, parcel, port::Client};
use crate::{
    env::{clock::Clock, sync::lock},
    node::Operation,
};

impl Node {
    /// How the node is called in errors and reports.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Refuses everything from now on, as a stopped server does. Its data stay.
    pub fn stop(&self) {
        let mut state = lock(&self.inner.state);
        state.up = false;
        state.store.interrupt(&self.path);
    }

    /// Goes on after [`stop`](Self::stop), with its data: a network that was cut, not a restart.
    pub fn start(&self) {
        let deferred = {
            let mut state = lock(&self.inner.state);
            state.up = true;
            mem::take(&mut state.deferred)
        };
        deliver(deferred);
    }

    /// Answers nothing from now on; what arrives meanwhile is carried out on [`resume`](Self::resume). After a node
    /// time-out clients send nothing more, and keep their releases until then.
    pub fn hang(&self) {
        let mut state = lock(&self.inner.state);
        state.hung.get_or_insert(Clock::Tokio.now());
    }

    /// Goes on after [`hang`](Self::hang), with what arrived meanwhile, in its order.
    pub fn resume(&self) {
        let (held, deferred) = {
            let mut state = lock(&self.inner.state);
            state.hung = None;
            (mem::take(&mut state.held), mem::take(&mut state.deferred))
        };
        for parcel in held {
            Self::arrive(parcel);
        }
        deliver(deferred);
    }

    /// Forgets all keys and starts a new process, as a server without persistence does.
    pub fn restart_empty(&self) {
        let (held, deferred) = {
            let mut state = lock(&self.inner.state);
            state.store.forget();
            state.process = Process::start(state.process.number + 1, &self.inner.random);
            state.up = true;
            state.hung = None;
            (mem::take(&mut state.held), mem::take(&mut state.deferred))
        };
        for parcel in held {
            parcel.lose("the server closed the connection");
        }
        deliver(deferred);
    }

    /// Forgets all keys without a new process, as `FLUSHALL` does, and so does a server that was a replica for a while.
    pub fn flush(&self) {
        let mut state = lock(&self.inner.state);
        state.store.forget();
        state.process.emptied += 1;
    }

    /// Takes no new locks from now on, until switched off, as a server beyond its `maxmemory`. Locks that are held are
    /// extended, released and kept busy all the same.
    pub fn fill(&self, on: bool) {
        lock(&self.inner.state).store.fill(on);
    }

    /// Moves the node's clock forward, so that keys expire early.
    pub fn shift_clock(&self, forward: Duration) {
        lock(&self.inner.state).store.shift(forward);
    }

    /// Lets every operation of this handle's clients take this long to the node; zero for none, which is the default.
    /// One that is sent later with a shorter delay overtakes.
    pub fn delay(&self, by: Duration) {
        self.path.delay(by);
    }

    /// Lets every answer to this handle's clients take this long; zero for none, which is the default.
    pub fn delay_replies(&self, by: Duration) {
        self.path.delay_replies(by);
    }

    /// Loses what this handle's clients send from now on, until switched off. Releases are sent again.
    pub fn lose_requests(&self, on: bool) {
        self.path.lose_requests(on);
    }

    /// Carries out what this handle's clients send, and loses the answers, until switched off.
    pub fn lose_replies(&self, on: bool) {
        self.path.lose_replies(on);
    }

    /// Holds back what this handle's clients send from now on, as a stalled connection does, until
    /// [`deliver_late`](Self::deliver_late).
    pub fn hold_back(&self) {
        self.path.hold_back();
    }

    /// Breaks the connections of this handle's clients: what has no answer gets none, releases are sent again, and what
    /// is sent from now on goes over a new connection and overtakes what is still held back.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), redlock::Error> {
    /// # use redlock::{Redlock, memory::Cluster};
    /// let cluster = Cluster::new(1);
    /// let redlock = Redlock::connect(cluster.nodes()).await?;
    ///
    /// cluster.node(0).hold_back();
    /// assert!(redlock.try_lock("invoice:42").await.is_err()); // an acquire is on its way
    /// cluster.node(0).reconnect(); // its release overtakes it
    /// cluster.node(0).deliver_late();
    /// assert!(!redlock.is_locked("invoice:42").await?); // it came too late to lock anything
    /// # Ok(()) }
    /// ```
    pub fn reconnect(&self) {
        self.path.reconnect();
        lock(&self.inner.state).store.interrupt(&self.path);
    }

    /// Delivers what was held back since [`hold_back`](Self::hold_back), after whatever came meanwhile, and holds back
    /// no more.
    pub fn deliver_late(&self) {
        for parcel in self.path.late() {
            Self::arrive(parcel);
        }
    }

    /// What `GET` would say now.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<String> {
        let state = lock(&self.inner.state);
        state.store.get(key).map(str::to_owned)
    }

    /// What is left of a key's ttl, as `PTTL` would say; `None` for one without, and for none.
    #[must_use]
    pub fn ttl(&self, key: &str) -> Option<Duration> {
        lock(&self.inner.state).store.left(key)
    }

    /// Writes what no lock would: a string without expiry.
    pub fn set(&self, key: &str, value: &str) {
        let mut state = lock(&self.inner.state);
        state.store.set(key, value.to_owned(), None);
    }

    /// Deletes a key; says whether it was there.
    pub fn delete(&self, key: &str) -> bool {
        lock(&self.inner.state).store.delete(key)
    }

    /// The keys that live now, sorted.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        lock(&self.inner.state).store.keys()
    }
}

/// Sends the releases that were deferred while the node was down or silent.
fn deliver(deferred: Vec<(Node, Client, Operation)>) {
    for (node, client, op) in deferred {
        let now = client.clock.now();
        parcel::send(&node, &client, op.deferred(now));
    }
}
