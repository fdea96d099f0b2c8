//! The line of those in this process who want the same key: first come, first served, and only its head talks to Redis.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use tokio::sync::oneshot;

use crate::{client::Core, key::Key, lease::Lease, sync::lock};

/// The lines of one client, by key. A key that nobody holds or wants here has none.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    lines: Mutex<HashMap<Arc<Key>, Line>>,
}

#[derive(Debug, Default)]
struct Line {
    /// The lease of the turn that is on, once it has one.
    holder: Weak<Lease>,
    waiting: VecDeque<oneshot::Sender<Turn>>,
}

/// The right to ask Redis for a key, and then to hold it. Dropped: the next in line has it.
#[derive(Debug)]
pub(crate) struct Turn(Option<(Arc<Core>, Arc<Key>)>);

/// What became of joining a line.
#[derive(Debug)]
pub(crate) enum Joined {
    Turn(Turn),
    Waits(Place),
}

/// A place in a line.
#[derive(Debug)]
pub(crate) struct Place {
    core: Arc<Core>,
    key: Arc<Key>,
    turn: oneshot::Receiver<Turn>,
}

impl Queue {
    /// Joins the line, unless there is none: then the turn is the caller's.
    pub(crate) fn join(core: &Arc<Core>, key: &Arc<Key>) -> Joined {
        match lock(&core.queue.lines).entry(Arc::clone(key)) {
            Entry::Vacant(entry) => {
                entry.insert(Line::default());
                Joined::Turn(Turn::new(core, key))
            }
            Entry::Occupied(mut entry) => {
                let (next, turn) = oneshot::channel();
                let line = entry.get_mut();
                // Those who gave up leave a hole; a line of holes must not grow.
                if line.waiting.len() >= 64 && line.waiting.len().is_power_of_two() {
                    line.waiting.retain(|waiter| !waiter.is_closed());
                }
                line.waiting.push_back(next);
                Joined::Waits(Place {
                    core: Arc::clone(core),
                    key: Arc::clone(key),
                    turn,
                })
            }
        }
    }

    /// Takes the turn if nobody has it, without standing in line. `Err`: what the holder has left, if one is known.
    pub(crate) fn try_turn(core: &Arc<Core>, key: &Arc<Key>) -> Result<Turn, Option<Duration>> {
        let holder = {
            match lock(&core.queue.lines).entry(Arc::clone(key)) {
                Entry::Vacant(entry) => {
                    entry.insert(Line::default());
                    return Ok(Turn::new(core, key));
                }
                Entry::Occupied(entry) => entry.get().holder.upgrade(),
            }
        };
        match holder {
            // A lease that ran out holds nothing; asking ends its turn.
            Some(lease) if lease.is_lost() => {
                match lock(&core.queue.lines).entry(Arc::clone(key)) {
                    Entry::Vacant(entry) => {
                        entry.insert(Line::default());
                        Ok(Turn::new(core, key))
                    }
                    Entry::Occupied(_) => Err(None),
                }
            }
            Some(lease) => Err(Some(lease.remaining())),
            None => Err(None),
        }
    }

    fn holder(&self, key: &Arc<Key>) -> Option<Arc<Lease>> {
        lock(&self.lines)
            .get(key)
            .and_then(|line| line.holder.upgrade())
    }
}

impl Place {
    /// Waits for the turn, at most this long. Cancel safe: the place is left.
    pub(crate) async fn turn(mut self, within: Duration) -> Result<Turn, Option<Duration>> {
        let deadline = tokio::time::sleep(within);
        tokio::pin!(deadline);
        loop {
            // A lease may run out while its guard is still about: that ends its turn, if somebody looks.
            let holder = self.core.queue.holder(&self.key);
            let look_again = match &holder {
                Some(lease) if lease.is_lost() => Duration::from_millis(1),
                Some(lease) => lease.remaining().saturating_add(Duration::from_millis(1)),
                None => Duration::MAX,
            };
            drop(holder);
            tokio::select! {
                biased;
                turn = &mut self.turn => return turn.map_err(|_| None),
                () = &mut deadline => {
                    let holder = self.core.queue.holder(&self.key);
                    return Err(holder.map(|lease| lease.remaining()));
                }
                () = tokio::time::sleep(look_again.min(Duration::from_secs(1))) => {}
            }
        }
    }
}

impl Turn {
    fn new(core: &Arc<Core>, key: &Arc<Key>) -> Self {
        Self(Some((Arc::clone(core), Arc::clone(key))))
    }

    /// From now on the turn belongs to this lease.
    pub(crate) fn granted(&self, lease: &Arc<Lease>) {
        if let Some((core, key)) = &self.0
            && let Some(line) = lock(&core.queue.lines).get_mut(key)
        {
            line.holder = Arc::downgrade(lease);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some((core, key)) = self.0.take() else {
            return;
        };
        let mut turn = Self::new(&core, &key);
        loop {
            let next = {
                let mut lines = lock(&core.queue.lines);
                let next = lines.get_mut(&key).and_then(|line| {
                    line.holder = Weak::new();
                    line.waiting.pop_front()
                });
                if next.is_none() {
                    lines.remove(&key);
                }
                next
            };
            // Whoever gave up gives the turn back here; whoever gives up with the turn in hand drops it.
            let Some(next) = next else {
                break;
            };
            match next.send(turn) {
                Ok(()) => return,
                Err(back) => turn = back,
            }
        }
        turn.0 = None;
    }
}
