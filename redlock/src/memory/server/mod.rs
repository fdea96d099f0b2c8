//! A Redis server inside the process, with the commands that this crate needs.
//!
//! It has no task of its own. Requests are carried out when they arrive, under the lock of the
//! node, in the task that sent them: the order of events that a test sets up is the order in which
//! they happen. Only the simulated network takes time.

#[cfg(feature = "cluster")]
mod cluster;
mod commands;
mod condition;
mod data;
#[cfg(feature = "__wire")]
mod keyspace;
mod publish;
mod reply;
mod request;
mod session;
mod wakers;

use std::{
    collections::BTreeMap,
    sync::Arc,
    task::{Poll, Waker},
    time::Duration,
};

use tokio::time::Instant;

pub(crate) use condition::Condition;
#[cfg(feature = "__wire")]
pub use keyspace::Content;
#[cfg(feature = "__wire")]
pub(crate) use keyspace::Entry;
pub(crate) use publish::Channels;
pub(crate) use reply::Reply;
use request::Parsed;
pub(super) use session::Session;
pub(crate) use wakers::Wakers;

#[cfg(feature = "cluster")]
use super::cluster::Membership;
use super::{
    network::{Fate, Network, Sent},
    process::Process,
    replies::Replies,
    store::Store,
};
use crate::env::random::Random;

/// Maximum number of connections that wait for a server that hangs, like the queue of a listening
/// socket.
const MAX_WAITING: usize = 511;
/// How long a server takes to notice, by TCP keep-alive, that a client whose close was lost is
/// gone.
const KEEP_ALIVE: Duration = Duration::from_secs(300);

/// One server: its data, its process and its connections.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) store: Store,
    pub(super) process: Process,
    pub(super) condition: Condition,
    /// If it is a server of a Redis Cluster.
    #[cfg(feature = "cluster")]
    pub(super) cluster: Option<Membership>,
    /// The cached scripts, which can be called by hash. One bit for each.
    scripts: u64,
    /// Calls with several commands that were carried out.
    pub(super) batches: u64,
    /// By number, which is the order in which they were accepted.
    sessions: BTreeMap<u64, Session>,
    next_session: u64,
    /// The wall-clock time at the zero of the store's clock, in microseconds since the epoch.
    epoch: u64,
}

/// The outcome of a write.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) wakers: Wakers,
    /// A task that delivers delayed data has to be started.
    pub(super) start_delivery: bool,
}

impl Server {
    pub(super) fn new(epoch: u64, random: &Random) -> Self {
        Self {
            store: Store::default(),
            process: Process::first(random),
            condition: Condition::default(),
            #[cfg(feature = "cluster")]
            cluster: None,
            scripts: 0,
            batches: 0,
            sessions: BTreeMap::new(),
            next_session: 0,
            epoch,
        }
    }

    /// The reply to `TIME`, in microseconds since the epoch.
    pub(super) fn wall_clock(&mut self) -> u64 {
        self.store.tick();
        self.epoch.saturating_add(self.store.now().micros())
    }

    /// Accepts a new connection. `None` if too many wait already.
    pub(super) fn accept(&mut self, network: &Arc<Network>, replies: &Arc<Replies>) -> Option<u64> {
        let now = Instant::now();
        self.sessions.retain(|_, session| {
            session
                .abandoned
                .is_none_or(|since| now.duration_since(since) < KEEP_ALIVE)
        });
        if self.condition.hangs && self.sessions.len() >= MAX_WAITING {
            return None;
        }
        self.next_session += 1;
        let number = self.next_session;
        let session = Session::new(network, replies);
        self.sessions.insert(number, session);
        Some(number)
    }

    /// A client sends `bytes`. Pending if there is no room. The error means that the server has
    /// closed the connection.
    pub(super) fn write(
        &mut self,
        number: u64,
        bytes: &[u8],
        waker: &Waker,
    ) -> Poll<Result<Written, Gone>> {
        let mut written = Written {
            wakers: Wakers::default(),
            start_delivery: false,
        };
        let Some(session) = self.sessions.get_mut(&number) else {
            return Poll::Ready(Err(Gone));
        };
        if !session.has_room() {
            session.writer = Some(waker.clone());
            return Poll::Pending;
        }
        let settings = session.network.now();
        match session
            .transit
            .send(&settings, || Sent::Bytes(bytes.to_vec()))
        {
            Fate::Arrives => self.receive(number, bytes, &mut written.wakers),
            Fate::Lost | Fate::HeldBack => {}
            Fate::Delayed { start } => written.start_delivery = start,
        }
        Poll::Ready(Ok(written))
    }

    /// A client closes its end.
    pub(super) fn hang_up(&mut self, number: u64) -> Written {
        let mut written = Written {
            wakers: Wakers::default(),
            start_delivery: false,
        };
        if let Some(session) = self.sessions.get_mut(&number) {
            let settings = session.network.now();
            match session.transit.send(&settings, || Sent::End) {
                Fate::Arrives => self.end(number),
                Fate::Lost => session.abandoned = Some(Instant::now()),
                Fate::HeldBack => {}
                Fate::Delayed { start } => written.start_delivery = start,
            }
        }
        written
    }

    /// Delivers delayed data that is due, or everything if `now` is `None`. Returns when the next
    /// item is due, if there is one.
    pub(super) fn deliver_due(
        &mut self,
        number: u64,
        now: Option<Instant>,
        wakers: &mut Wakers,
    ) -> Option<Instant> {
        loop {
            let session = self.sessions.get_mut(&number)?;
            match session.transit.take_due(now) {
                Ok(sent) => self.arrive(number, sent, wakers),
                Err(next) => return next,
            }
        }
    }

    /// Delivers what was held back, in its order on each connection.
    pub(super) fn deliver_held_back(&mut self, network: &Arc<Network>, wakers: &mut Wakers) {
        for number in self.numbers(network) {
            while let Some(session) = self.sessions.get_mut(&number)
                && let Some(sent) = session.transit.take_held_back()
            {
                self.arrive(number, sent, wakers);
            }
        }
    }

    fn arrive(&mut self, number: u64, sent: Sent, wakers: &mut Wakers) {
        if let Some(session) = self.sessions.get_mut(&number) {
            wakers.add(session.writer.take());
        }
        match sent {
            Sent::Bytes(bytes) => self.receive(number, &bytes, wakers),
            Sent::End => self.end(number),
        }
    }

    /// Breaks the connections over `network` at their clients' end. Data in flight still arrives.
    pub(super) fn reset(&mut self, network: &Arc<Network>, wakers: &mut Wakers) {
        for number in self.numbers(network) {
            let Some(session) = self.sessions.get_mut(&number) else {
                continue;
            };
            wakers.add(session.replies.reset());
            wakers.add(session.writer.take());
            // The close of the client follows what is in flight, and may be lost with it.
        }
    }

    /// Makes the connections over `network` half-open: everything that is sent over them is lost.
    pub(super) fn lose(&mut self, network: &Arc<Network>) {
        for session in self.sessions.values_mut() {
            if Arc::ptr_eq(&session.network, network) {
                session.transit.lost = true;
                session.replies.lose();
            }
        }
    }

    fn numbers(&self, network: &Arc<Network>) -> Vec<u64> {
        let sessions = self.sessions.iter();
        let over = sessions.filter(|(_, session)| Arc::ptr_eq(&session.network, network));
        over.map(|(number, _)| *number).collect()
    }

    /// Ends all connections, as a process that exits does.
    pub(super) fn close_all(&mut self, wakers: &mut Wakers) {
        for session in std::mem::take(&mut self.sessions).into_values() {
            wakers.add(session.replies.close(&session.network.now()));
            wakers.add(session.writer);
        }
    }

    /// Begins a new process, which has no connections.
    pub(super) fn restart(&mut self, process: Process) {
        self.process = process;
        self.scripts = 0;
        self.condition = Condition {
            full: self.condition.full,
            ..Condition::default()
        };
    }

    /// Continues after a hang, with what arrived meanwhile.
    pub(super) fn go_on(&mut self, wakers: &mut Wakers) {
        self.condition.hangs = false;
        let numbers: Vec<u64> = self.sessions.keys().copied().collect();
        for number in numbers {
            self.receive(number, &[], wakers);
            if (self.sessions.get(&number)).is_some_and(|session| session.ended) {
                self.sessions.remove(&number);
            }
        }
    }

    /// The client's end of a connection is closed.
    fn end(&mut self, number: u64) {
        match self.sessions.get_mut(&number) {
            Some(session) if self.condition.hangs => session.ended = true,
            _ => drop(self.sessions.remove(&number)),
        }
    }

    /// Carries out what has arrived.
    fn receive(&mut self, number: u64, bytes: &[u8], wakers: &mut Wakers) {
        let Some(session) = self.sessions.get_mut(&number) else {
            return;
        };
        if self.condition.hangs {
            return session.unread.extend_from_slice(bytes);
        }
        let mut unread = std::mem::take(&mut session.unread);
        let bytes = if unread.is_empty() {
            bytes
        } else {
            wakers.add(session.writer.take());
            unread.extend_from_slice(bytes);
            &unread
        };
        let carried_out = self.carry_out_all(number, bytes, wakers);
        let Some(session) = self.sessions.get_mut(&number) else {
            return;
        };
        match carried_out {
            Some(done) => session.unread.extend_from_slice(&bytes[done..]),
            None => {
                wakers.add(session.replies.close(&session.network.now()));
                self.sessions.remove(&number);
            }
        }
    }

    /// Carries out the requests at the start of `bytes`. Returns how many bytes they had; `None` if
    /// the connection cannot continue.
    fn carry_out_all(&mut self, number: u64, bytes: &[u8], wakers: &mut Wakers) -> Option<usize> {
        let mut done = 0;
        let mut args = Vec::with_capacity(16);
        loop {
            match request::parse(&bytes[done..], &mut args) {
                Parsed::Whole(length) => done += length,
                Parsed::Partial => return Some(done),
                Parsed::Malformed => return None,
            }
            self.store.tick();
            let reply = self.carry_out(number, &args, wakers);
            let session = self.sessions.get(&number)?;
            if let Some(reply) = reply
                && !session.say(&reply, wakers)
            {
                return None;
            }
        }
    }
}

/// The server has closed the connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gone;

impl Gone {
    /// Whether the client notices when it writes: the close of the server was lost, and the server
    /// answers with a reset now.
    pub(super) fn resets(self, replies: &Replies, network: &Network) -> bool {
        let resets = replies.is_lost() && network.now().connects();
        if resets {
            replies.reset();
        }
        resets
    }
}
