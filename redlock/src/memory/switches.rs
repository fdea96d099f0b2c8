//! Methods that inject faults of a node in memory and of the network to it.

use std::time::Duration;

use super::{
    Node,
    process::Process,
    server::{Server, Wakers},
};
use crate::env::sync::lock;

/// Faults of the node, which affect all of its clients.
impl Node {
    /// Refuses connections from now on and ends the open ones, like a stopped server. The data
    /// stay.
    pub fn stop(&self) {
        self.with(|server, wakers| {
            server.condition.stopped = true;
            server.close_all(wakers);
        });
    }

    /// Continues after [`stop`](Self::stop) as the same process, with its data: like a network that
    /// was cut, not like a restart.
    pub fn start(&self) {
        self.with(|server, _| server.condition.stopped = false);
    }

    /// Answers nothing from now on. What arrives meanwhile is carried out on
    /// [`resume`](Self::resume). After a node time-out, clients send nothing more and keep their
    /// releases until then.
    pub fn hang(&self) {
        self.with(|server, _| server.condition.hangs = true);
    }

    /// Continues after [`hang`](Self::hang), with what arrived meanwhile, in its order on each
    /// connection.
    pub fn resume(&self) {
        self.with(Server::go_on);
    }

    /// Starts a new process with the data of the old one, like a server that saved them.
    pub fn restart(&self) {
        self.with(|server, wakers| {
            server.close_all(wakers);
            server.restart(Process::start(&self.inner.random));
        });
    }

    /// Forgets all keys and starts a new process, like a server without persistence.
    pub fn restart_empty(&self) {
        self.with(|server, wakers| {
            server.close_all(wakers);
            server.restart(Process::start(&self.inner.random));
            server.store.clear();
        });
    }

    /// Forgets all keys without a new process, like `FLUSHALL`.
    pub fn flush(&self) {
        self.with(Server::flush);
    }

    /// Forgets the sources of scripts, like `SCRIPT FLUSH`. Clients send them again.
    pub fn flush_scripts(&self) {
        self.with(|server, _| server.forget_scripts());
    }

    /// While `true`, accepts no new locks, like a server beyond its `maxmemory`. Held locks are
    /// still extended, released and kept busy.
    pub fn fill(&self, on: bool) {
        self.with(|server, _| server.condition.full = on);
    }

    /// While `true`, answers `LOADING`, like a server that loads its data.
    pub fn load(&self, on: bool) {
        self.with(|server, _| server.condition.loads = on);
    }

    /// While `true`, answers `BUSY`, like a server in a script that does not end.
    pub fn busy(&self, on: bool) {
        self.with(|server, _| server.condition.busy = on);
    }

    /// While `true`, answers `MISCONF` to writes, like a server that cannot save its data.
    pub fn fail_to_save(&self, on: bool) {
        self.with(|server, _| server.condition.cannot_save = on);
    }

    /// Becomes a replica of `master`, as by `REPLICAOF`: copies its data as they are now, and
    /// refuses writes. Later writes to the master are not replicated, so [`promote`](Self::promote)
    /// loses them.
    pub fn replicate(&self, master: &Self) {
        let (data, process) = {
            let mut server = lock(&master.inner.server);
            server.store.tick();
            (server.store.clone(), server.process.clone())
        };
        self.with(|server, wakers| {
            server.flush(wakers);
            server.store.copy_from(&data);
            server.process.follow(&process, &master.inner.name);
        });
    }

    /// Becomes a master after [`replicate`](Self::replicate), with the data that it has, as by a
    /// failover. Has no effect on a master.
    pub fn promote(&self) {
        self.with(|server, _| server.process.promote(&self.inner.random));
    }

    /// Moves the node's clock forward, so that keys expire early.
    pub fn shift_clock(&self, forward: Duration) {
        self.with(|server, _| server.store.shift(forward));
    }

    /// Ends all faults of the server.
    pub(crate) fn heal_server(&self) {
        self.promote();
        self.start();
        self.fill(false);
        self.load(false);
        self.busy(false);
        self.fail_to_save(false);
        self.resume();
    }

    /// Changes the server, and wakes the tasks that wait for it.
    pub(super) fn with(&self, change: impl FnOnce(&mut Server, &mut Wakers)) {
        let mut wakers = Wakers::default();
        change(&mut lock(&self.inner.server), &mut wakers);
        wakers.wake();
    }
}

/// Faults of the network, which affect the clients of this handle only.
impl Node {
    /// Delays everything that this handle's clients send by this time. Zero, the default: no delay.
    /// Each connection keeps its order.
    pub fn delay(&self, by: Duration) {
        self.network.set(|network| network.delay = by);
    }

    /// Delays every reply to this handle's clients by this time. Zero, the default: no delay.
    pub fn delay_replies(&self, by: Duration) {
        self.network.set(|network| network.delay_replies = by);
    }

    /// While `true`, loses what this handle's clients send. A connection that has lost something
    /// stays dead, and clients replace it.
    pub fn lose_requests(&self, on: bool) {
        self.network.set(|network| network.lose_requests = on);
    }

    /// While `true`, carries out what this handle's clients send and loses the replies. A
    /// connection that has lost something stays dead, and clients replace it.
    pub fn lose_replies(&self, on: bool) {
        self.network.set(|network| network.lose_replies = on);
    }

    /// Makes the connections of this handle's clients die unnoticed, like a middlebox that forgot
    /// them: everything that is sent over them is lost, in both directions. New connections work.
    pub fn half_open(&self) {
        self.with(|server, _| server.lose(&self.network));
    }

    /// Holds back what this handle's clients send, like a stalled connection, until
    /// [`deliver_late`](Self::deliver_late). No new connections are made meanwhile.
    pub fn hold_back(&self) {
        self.network.set(|network| network.hold_back = true);
    }

    /// Breaks the connections of this handle's clients. Requests without a reply fail, releases are
    /// sent again, and later requests use a new connection, on which they overtake what is held
    /// back.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), redlock::Error> {
    /// # use redlock::{Redlock, memory::Nodes};
    /// let nodes = Nodes::new(1);
    /// let redlock = Redlock::connect(nodes.nodes()).await?;
    ///
    /// nodes.node(0).hold_back();
    /// assert!(redlock.try_lock("invoice:42").await.is_err()); // an acquire is on its way
    /// nodes.node(0).reconnect(); // its release overtakes it
    /// # tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    /// nodes.node(0).deliver_late();
    /// assert!(!redlock.is_locked("invoice:42").await?); // it came too late to lock anything
    /// # Ok(()) }
    /// ```
    pub fn reconnect(&self) {
        self.network.set(|network| network.hold_back = false);
        self.with(|server, wakers| server.reset(&self.network, wakers));
    }

    /// Delivers what was held back since [`hold_back`](Self::hold_back), after everything that
    /// arrived meanwhile, and holds back no more.
    pub fn deliver_late(&self) {
        self.network.set(|network| network.hold_back = false);
        self.with(|server, wakers| server.deliver_held_back(&self.network, wakers));
    }

    /// Ends all faults of the network of this handle.
    pub(crate) fn heal_network(&self) {
        self.delay(Duration::ZERO);
        self.delay_replies(Duration::ZERO);
        self.lose_requests(false);
        self.lose_replies(false);
        self.deliver_late();
    }
}
