//! The local queue: the waiters of one process for the same key, first come, first served. Only the first talks to the
//! nodes.
//!
//! # Design
//!
//! A key has an entry while this process holds it or waits for it. The entry belongs to one [`Turn`] at a time, or
//! to the lease that the turn was granted. When a lease ends, it is handed over to the first waiter with the same options;
//! otherwise the first waiter gets the turn; without one, the entry is removed. A waiter is sent exactly one [`Outcome`];
//! one that gave up drops it, which passes the turn on or releases the hold.
//!
//! There are at most as many entries as holders and waiters. Waiters that gave up are swept out.

mod permit_waiters;
mod position;
#[cfg(test)]
mod tests;
mod turn;
mod waiters;

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry as MapEntry},
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use tokio::sync::oneshot;

use self::waiters::Ended;
pub(super) use self::{
    position::Position,
    turn::Turn,
    waiters::{History, Wants},
};
use crate::{
    env::sync::lock,
    error::Error,
    key::Key,
    lease::{HandedOver, Lease, LocalWaiters},
    round::Round,
};

use super::shared_holds::SharedHold;

type Waiter = waiters::Waiter<Outcome>;
type Waiters = waiters::Waiters<Outcome>;

/// The local queue of one client.
#[derive(Debug, Default)]
pub(crate) struct LocalQueue {
    entries: Mutex<HashMap<Arc<Key>, Entry>>,
}

#[derive(Debug, Default)]
struct Entry {
    /// The current lease, once there is one.
    holder: Weak<Lease>,
    /// `None` until somebody waits or an attempt fails: most keys have a holder and no waiter.
    waiters: Option<Box<Waiters>>,
}

/// What a waiter gets.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The turn to ask the nodes.
    Turn(Turn),
    /// A hold of a lease that is handed over.
    Hold(HandedOver),
    /// The hold of another reader.
    Shared(Arc<SharedHold>),
    /// The holder left the key in a cool-down, for this long.
    CoolingDown(Duration),
    /// No quorum answered, and this waiter does not wait for one.
    NoQuorum(Error),
}

#[derive(Debug)]
pub(super) enum Joined {
    Turn(Turn),
    Waits(Position),
}

impl LocalQueue {
    /// How many keys this process holds or waits for.
    pub(super) fn len(&self) -> usize {
        lock(&self.entries).len()
    }

    /// Takes the turn if nobody has it, or joins the queue.
    pub(super) fn join(self: &Arc<Self>, key: &Arc<Key>, wants: Wants) -> Joined {
        match lock(&self.entries).entry(Arc::clone(key)) {
            MapEntry::Vacant(entry) => {
                entry.insert(Entry::default());
                Joined::Turn(Turn::new(self, key, History::default()))
            }
            MapEntry::Occupied(mut entry) => {
                let (sender, receiver) = oneshot::channel();
                let waiters = entry.get_mut().waiters.get_or_insert_default();
                waiters.push(Waiter { wants, sender });
                Joined::Waits(Position {
                    queue: Arc::clone(self),
                    key: Arc::clone(key),
                    receiver,
                })
            }
        }
    }

    /// Takes the turn if nobody has it. Returns `Err` otherwise, with the remaining time of the holder if there is one.
    pub(super) fn try_turn(self: &Arc<Self>, key: &Arc<Key>) -> Result<Turn, Option<Duration>> {
        let holder = match self.vacant_turn(key) {
            Ok(turn) => return Ok(turn),
            Err(holder) => holder,
        };
        let Some(lease) = holder.upgrade() else {
            return Err(None);
        };
        if let Some(left) = lease.blocks_key_for() {
            return Err(Some(left));
        }
        // The check ends a lease whose validity is over.
        lease.check_validity();
        self.vacant_turn(key).map_err(|_| None)
    }

    /// Why nobody of this process can get `key` now, if its last attempt found no quorum.
    pub(super) fn outage(&self, key: &Arc<Key>) -> Option<Error> {
        self.with_waiters(key, |waiters| waiters.outage.clone())?
    }

    /// Returns a turn beside others, for a request that does not wait: the semaphore may have further permits. Returns `None`
    /// if others wait for one.
    pub(super) fn turn_beside(self: &Arc<Self>, key: &Arc<Key>) -> Option<Turn> {
        (self.waiting(key) == 0).then(|| Turn::beside(self, key))
    }

    /// Returns a turn beside others, for a reader that does not wait.
    pub(super) fn turn_of_reader(self: &Arc<Self>, key: &Arc<Key>) -> Turn {
        Turn::beside(self, key)
    }

    fn vacant_turn(self: &Arc<Self>, key: &Arc<Key>) -> Result<Turn, Weak<Lease>> {
        match lock(&self.entries).entry(Arc::clone(key)) {
            MapEntry::Vacant(entry) => {
                entry.insert(Entry::default());
                Ok(Turn::new(self, key, History::default()))
            }
            MapEntry::Occupied(entry) => Err(entry.get().holder.clone()),
        }
    }

    pub(crate) fn holder(&self, key: &Arc<Key>) -> Option<Arc<Lease>> {
        let entries = lock(&self.entries);
        entries.get(key).and_then(|entry| entry.holder.upgrade())
    }

    fn waiting(&self, key: &Arc<Key>) -> usize {
        self.with_waiters(key, |waiters| waiters.len()).unwrap_or(0)
    }

    fn take_those(&self, key: &Key, are: impl Fn(&Wants) -> bool) -> VecDeque<Waiter> {
        self.with_waiters(key, |waiters| waiters.take_those(are))
            .unwrap_or_default()
    }

    /// Returns `None` if nobody waits or has waited for `key`.
    fn with_waiters<T>(&self, key: &Key, use_them: impl FnOnce(&mut Waiters) -> T) -> Option<T> {
        let mut entries = lock(&self.entries);
        entries.get_mut(key)?.waiters.as_deref_mut().map(use_them)
    }

    /// Puts a waiter back in front, or gives it the turn if the entry was removed meanwhile, for example because the lease was
    /// lost.
    fn put_back(self: &Arc<Self>, key: &Arc<Key>, waiter: Waiter) {
        match lock(&self.entries).entry(Arc::clone(key)) {
            MapEntry::Occupied(mut entry) => {
                let waiters = entry.get_mut().waiters.get_or_insert_default();
                return waiters.put_back(waiter);
            }
            MapEntry::Vacant(entry) => {
                entry.insert(Entry::default());
            }
        }
        let turn = Turn::new(self, key, History::default());
        // A waiter that gave up returns the turn, which is passed on by its drop.
        let _ = waiter.sender.send(Outcome::Turn(turn));
    }

    /// Hands `lease`, which is that of a lock or of one of `permits`, over to the first waiter for `key`. Returns whether there
    /// was a waiter that wants it.
    pub(super) fn hand_over_for(
        self: &Arc<Self>,
        key: &Arc<Key>,
        permits: Option<u16>,
        lease: &Arc<Lease>,
    ) -> bool {
        let wants = |waiters: &mut Waiters| waiters.pop_if_wants(lease.options(), permits);
        let next = || self.with_waiters(key, wants);
        while let Some(waiter) = next().flatten() {
            let Some(hold) = lease.start_hold(waiter.wants.hold) else {
                self.put_back(key, waiter);
                return false;
            };
            let hold = HandedOver::new(hold);
            match waiter.sender.send(Outcome::Hold(hold)) {
                Ok(()) => return true,
                // This waiter gave up: forget its hold, and offer the lease to the next one.
                Err(Outcome::Hold(undelivered)) => drop(undelivered.claim()),
                Err(_) => {}
            }
        }
        false
    }

    /// Ends a turn, and with it the lease that `ended` if there was one, and gives the turn to the next waiter.
    fn pass_on(self: &Arc<Self>, key: &Arc<Key>, mut ended: Option<Ended>) {
        while let Some((waiter, history)) = self.next_waiter(key, ended.take()) {
            let turn = Turn::new(self, key, history);
            match waiter.sender.send(Outcome::Turn(turn)) {
                Ok(()) => return,
                // This waiter gave up: try the next one.
                Err(Outcome::Turn(undelivered)) => undelivered.forget(),
                Err(_) => {}
            }
        }
    }

    /// Returns the next waiter and what it needs to know. If nobody waits, removes the entry and returns `None`.
    fn next_waiter(&self, key: &Arc<Key>, ended: Option<Ended>) -> Option<(Waiter, History)> {
        let mut entries = lock(&self.entries);
        let MapEntry::Occupied(mut entry) = entries.entry(Arc::clone(key)) else {
            return None;
        };
        entry.get_mut().holder = Weak::new();
        let next = entry.get_mut().waiters.as_mut().and_then(|waiters| {
            if let Some(ended) = ended {
                waiters.lease_ended(ended);
            }
            Some((waiters.pop()?, waiters.history.clone()))
        });
        if next.is_none() {
            entry.remove();
        }
        next
    }

    /// Ends all waits without an outcome, because the client is closed.
    pub(crate) fn close(&self) {
        let mut entries = lock(&self.entries);
        let waiters = entries
            .values_mut()
            .filter_map(|entry| entry.waiters.as_deref_mut());
        let ended: Vec<_> = waiters
            .map(|waiters| waiters.take_those(|_| true))
            .collect();
        drop(entries);
        // Wakes the tasks that wait.
        drop(ended);
    }

    /// Refuses all waiters, because the key is in a cool-down.
    fn refuse_all(&self, key: &Key, window: Duration) {
        let entry = lock(&self.entries).remove(key);
        let waiters = entry.and_then(|entry| entry.waiters);
        for waiter in waiters.into_iter().flat_map(|waiters| waiters.into_queue()) {
            // An error means that the waiter gave up.
            let _ = waiter.sender.send(Outcome::CoolingDown(window));
        }
    }
}

impl LocalWaiters for LocalQueue {
    fn hand_over(self: Arc<Self>, lease: &Arc<Lease>) -> bool {
        self.hand_over_for(lease.key(), None, lease)
    }

    fn is_contended(&self, key: &Key) -> bool {
        self.with_waiters(key, |waiters| waiters.is_contended())
            .unwrap_or(false)
    }

    fn lease_ended(
        self: Arc<Self>,
        lease: &Lease,
        release: Option<&Arc<Round>>,
        window: Option<Duration>,
    ) {
        if let Some(window) = window {
            return self.refuse_all(lease.key(), window);
        }
        let ended = Ended {
            last_token: lease.last_token(),
            release: release.cloned(),
            limit: lease.hand_over_limit(),
        };
        self.pass_on(lease.key(), Some(ended));
    }
}
