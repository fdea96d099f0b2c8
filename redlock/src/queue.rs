//! The line of those in this process who want the same key: first come, first served, and only its head talks to Redis.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use tokio::sync::oneshot;

use crate::{
    key::Key,
    lease::{HoldTerms, Lease, Succession, Terms, Unclaimed},
    round::Round,
    sync::lock,
};

/// The lines of one client, by key. A key that nobody holds or wants here has none.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    lines: Mutex<HashMap<Arc<Key>, Line>>,
}

#[derive(Debug, Default)]
struct Line {
    /// The lease of the turn that is on, once it has one.
    holder: Weak<Lease>,
    waiting: VecDeque<Waiter>,
    last: Past,
}

#[derive(Debug)]
struct Waiter {
    terms: Terms,
    hold_terms: HoldTerms,
    next: oneshot::Sender<Next>,
}

/// What is known from the turns before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Past {
    /// The highest token that they may have used.
    pub(crate) fence: u64,
    /// The last release.
    pub(crate) release: Option<Arc<Round>>,
    /// Another process was seen to hold or to want the key.
    pub(crate) contended: bool,
}

/// What comes to the head of a line.
#[derive(Debug)]
pub(crate) enum Next {
    /// The turn to ask Redis.
    Turn(Turn),
    /// The lease of the one before.
    Hold(Unclaimed),
}

/// The right to ask Redis for a key, and then to hold it. Dropped: the next in line has it.
#[derive(Debug)]
pub(crate) struct Turn {
    queue: Arc<Queue>,
    key: Arc<Key>,
    past: Past,
    /// Passed on by dropping; not one that came back from who gave up.
    live: bool,
}

/// What became of joining a line.
#[derive(Debug)]
pub(crate) enum Joined {
    Turn(Turn),
    Waits(Place),
}

/// A place in a line.
#[derive(Debug)]
pub(crate) struct Place {
    queue: Arc<Queue>,
    key: Arc<Key>,
    next: oneshot::Receiver<Next>,
}

impl Queue {
    /// Joins the line, unless there is none: then the turn is the caller's.
    pub(crate) fn join(
        self: &Arc<Self>,
        key: &Arc<Key>,
        terms: Terms,
        hold_terms: HoldTerms,
    ) -> Joined {
        match lock(&self.lines).entry(Arc::clone(key)) {
            Entry::Vacant(entry) => {
                entry.insert(Line::default());
                Joined::Turn(Turn::new(self, key, Past::default()))
            }
            Entry::Occupied(mut entry) => {
                let (next, place) = oneshot::channel();
                let waiting = &mut entry.get_mut().waiting;
                // Those who gave up leave a hole; a line of holes must not grow.
                if waiting.len() >= 64 && waiting.len().is_power_of_two() {
                    waiting.retain(|waiter| !waiter.next.is_closed());
                }
                waiting.push_back(Waiter {
                    terms,
                    hold_terms,
                    next,
                });
                Joined::Waits(Place {
                    queue: Arc::clone(self),
                    key: Arc::clone(key),
                    next: place,
                })
            }
        }
    }

    /// Takes the turn if nobody has it, without standing in line. `Err`: what the holder has left, if one is known.
    pub(crate) fn try_turn(self: &Arc<Self>, key: &Arc<Key>) -> Result<Turn, Option<Duration>> {
        let first_look = self.vacant(key);
        match first_look {
            Ok(turn) => Ok(turn),
            Err(holder) => match holder.upgrade() {
                // A lease that ran out holds nothing; asking ends its turn.
                Some(lease) if !lease.is_open() => {
                    lease.lapse();
                    self.vacant(key).map_err(|_| None)
                }
                Some(lease) => Err(Some(lease.remaining())),
                None => Err(None),
            },
        }
    }

    fn vacant(self: &Arc<Self>, key: &Arc<Key>) -> Result<Turn, Weak<Lease>> {
        match lock(&self.lines).entry(Arc::clone(key)) {
            Entry::Vacant(entry) => {
                entry.insert(Line::default());
                Ok(Turn::new(self, key, Past::default()))
            }
            Entry::Occupied(entry) => Err(entry.get().holder.clone()),
        }
    }

    fn holder(&self, key: &Arc<Key>) -> Option<Arc<Lease>> {
        lock(&self.lines)
            .get(key)
            .and_then(|line| line.holder.upgrade())
    }
}

impl Place {
    /// Waits for what comes, at most this long. `Err`: what the holder has left. Cancel safe: the place is left.
    pub(crate) async fn wait(mut self, within: Duration) -> Result<Next, Option<Duration>> {
        let deadline = tokio::time::sleep(within);
        tokio::pin!(deadline);
        loop {
            // A lease may run out while its guard is still about: that ends its turn, if somebody looks.
            let look_again = match self.queue.holder(&self.key) {
                Some(lease) if !lease.is_open() => {
                    lease.lapse();
                    Duration::from_millis(1)
                }
                Some(lease) => lease.remaining().saturating_add(Duration::from_millis(1)),
                None => Duration::MAX,
            };
            tokio::select! {
                biased;
                next = &mut self.next => return next.map_err(|_| None),
                () = &mut deadline => {
                    let holder = self.queue.holder(&self.key);
                    return Err(holder.map(|lease| lease.remaining()));
                }
                () = tokio::time::sleep(look_again.min(Duration::from_secs(1))) => {}
            }
        }
    }
}

impl Turn {
    fn new(queue: &Arc<Queue>, key: &Arc<Key>, past: Past) -> Self {
        Self {
            queue: Arc::clone(queue),
            key: Arc::clone(key),
            past,
            live: true,
        }
    }

    pub(crate) fn past(&self) -> &Past {
        &self.past
    }

    /// How many wait behind this turn: for as many a lease reserves tokens.
    pub(crate) fn waiting(&self) -> usize {
        lock(&self.queue.lines)
            .get(&self.key)
            .map_or(0, |line| line.waiting.len())
    }

    /// From now on the turn belongs to this lease.
    pub(crate) fn granted(self, lease: &Arc<Lease>) {
        if let Some(line) = lock(&self.queue.lines).get_mut(&self.key) {
            line.holder = Arc::downgrade(lease);
            line.last = Past {
                fence: lease.last_token(),
                ..Past::default()
            };
        }
        lease.succeeded_by(Arc::new(self));
    }

    /// The next in line, if anybody waits.
    fn next_waiter(&self, take: impl Fn(&Waiter) -> bool) -> Option<Waiter> {
        let mut lines = lock(&self.queue.lines);
        let waiting = &mut lines.get_mut(&self.key)?.waiting;
        while waiting
            .front()
            .is_some_and(|waiter| waiter.next.is_closed())
        {
            waiting.pop_front();
        }
        if waiting.front().is_some_and(take) {
            waiting.pop_front()
        } else {
            None
        }
    }
}

impl Succession for Turn {
    fn hand_on(&self, lease: &Arc<Lease>) -> bool {
        // Only the head of the line: whoever wants other terms is not overtaken.
        while let Some(waiter) = self.next_waiter(|waiter| waiter.terms == *lease.terms()) {
            let Some(hold) = lease.turn(waiter.hold_terms) else {
                self.put_back(waiter);
                return false;
            };
            match waiter.next.send(Next::Hold(Unclaimed::new(hold))) {
                Ok(()) => return true,
                // Gave up at this very moment: its turn goes on as the next one's.
                Err(Next::Hold(unclaimed)) => drop(unclaimed.claim()),
                Err(Next::Turn(_)) => {}
            }
        }
        false
    }

    fn is_contended(&self) -> bool {
        self.past
            .release
            .as_ref()
            .is_some_and(|release| release.woke())
    }

    fn released(&self, release: &Arc<Round>, contended: bool) {
        if let Some(line) = lock(&self.queue.lines).get_mut(&self.key) {
            line.last.release = Some(Arc::clone(release));
            line.last.contended = contended;
        }
    }
}

impl Turn {
    fn put_back(&self, waiter: Waiter) {
        if let Some(line) = lock(&self.queue.lines).get_mut(&self.key) {
            line.waiting.push_front(waiter);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.live {
            return;
        }
        loop {
            let (waiter, past) = {
                let mut lines = lock(&self.queue.lines);
                let Some(line) = lines.get_mut(&self.key) else {
                    return;
                };
                line.holder = Weak::new();
                match line.waiting.pop_front() {
                    Some(waiter) => (waiter, line.last.clone()),
                    None => {
                        lines.remove(&self.key);
                        return;
                    }
                }
            };
            // Whoever gave up gives the turn back here; whoever gives up with the turn in hand drops it.
            match waiter
                .next
                .send(Next::Turn(Turn::new(&self.queue, &self.key, past)))
            {
                Ok(()) => return,
                Err(Next::Turn(mut back)) => back.live = false,
                Err(Next::Hold(_)) => {}
            }
        }
    }
}
