//! The line of those in this process who want the same key: first come, first served, and only its head talks to Redis.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    pin::pin,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

use crate::{
    env::sync::lock,
    error::Error,
    key::Key,
    lease::{HoldTerms, Lease, Succession, Terms, Unclaimed},
    round::Round,
};

/// How often a waiter looks whether the holder's lease has run out, at least.
const LOOK: Duration = Duration::from_secs(1);

/// The lines of one client, by key. A key that nobody holds or wants here has none.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    lines: Mutex<HashMap<Arc<Key>, Line>>,
}

#[derive(Debug, Default)]
struct Line {
    /// The lease of the turn that is on, once it has one.
    holder: Weak<Lease>,
    /// Only where somebody waits, or did: most keys have a holder and nobody behind.
    crowd: Option<Box<Crowd>>,
}

#[derive(Debug, Default)]
struct Crowd {
    waiting: VecDeque<Waiter>,
    /// The release before the lease of the turn that is on.
    before: Option<Arc<Round>>,
    /// What the next one in line is told.
    last: Past,
}

#[derive(Debug)]
struct Waiter {
    terms: Terms,
    hold_terms: HoldTerms,
    /// A missing quorum is not waited for.
    fail_fast: bool,
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
    /// How many leases in a row ended without a sign of another process.
    pub(crate) calm: u8,
}

/// What comes to the head of a line.
#[derive(Debug)]
pub(crate) enum Next {
    /// The turn to ask Redis.
    Turn(Turn),
    /// The lease of the one before.
    Hold(Unclaimed),
    /// The one before has left the key in a cool-down, for this long.
    CoolingDown(Duration),
    /// No quorum answered the one before, and this one does not wait for the nodes to come back.
    Outage(Error),
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
    /// How many keys somebody holds or wants here.
    pub(crate) fn len(&self) -> usize {
        lock(&self.lines).len()
    }

    /// Joins the line, unless there is none: then the turn is the caller's.
    pub(crate) fn join(
        self: &Arc<Self>,
        key: &Arc<Key>,
        (terms, hold_terms, fail_fast): (Terms, HoldTerms, bool),
    ) -> Joined {
        match lock(&self.lines).entry(Arc::clone(key)) {
            Entry::Vacant(entry) => {
                entry.insert(Line::default());
                Joined::Turn(Turn::new(self, key, Past::default()))
            }
            Entry::Occupied(mut entry) => {
                let (next, place) = oneshot::channel();
                let waiting = &mut entry.get_mut().crowd.get_or_insert_default().waiting;
                // Those who gave up leave a hole; a line of holes must not grow.
                if waiting.len() >= 64 && waiting.len().is_power_of_two() {
                    waiting.retain(|waiter| !waiter.next.is_closed());
                }
                waiting.push_back(Waiter {
                    terms,
                    hold_terms,
                    fail_fast,
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
                Some(lease) => match lease.kept_for() {
                    Some(left) => Err(Some(left)),
                    // A lease that ran out holds nothing; asking ends its turn.
                    None => {
                        lease.lapse();
                        self.vacant(key).map_err(|_| None)
                    }
                },
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

    pub(crate) fn holder(&self, key: &Arc<Key>) -> Option<Arc<Lease>> {
        lock(&self.lines)
            .get(key)
            .and_then(|line| line.holder.upgrade())
    }

    /// The next in line, if anybody waits.
    fn next_waiter(&self, key: &Key, take: impl Fn(&Waiter) -> bool) -> Option<Waiter> {
        let mut lines = lock(&self.lines);
        let waiting = &mut lines.get_mut(key)?.crowd.as_mut()?.waiting;
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

    /// Puts a waiter back in front. The line may have come to its end meanwhile, as that of a lease that was lost: then
    /// the turn is the waiter's.
    fn put_back(self: &Arc<Self>, key: &Arc<Key>, waiter: Waiter) {
        match lock(&self.lines).entry(Arc::clone(key)) {
            Entry::Occupied(mut entry) => {
                let crowd = entry.get_mut().crowd.get_or_insert_default();
                crowd.waiting.push_front(waiter);
                return;
            }
            Entry::Vacant(entry) => {
                entry.insert(Line::default());
            }
        }
        // Whoever gave up drops it, which ends the line.
        _ = waiter
            .next
            .send(Next::Turn(Turn::new(self, key, Past::default())));
    }

    /// The turn is over, and left `past` if it had a lease: the next in line has it.
    fn move_on(self: &Arc<Self>, key: &Arc<Key>, mut past: Option<Past>) {
        loop {
            let (waiter, past) = {
                let mut lines = lock(&self.lines);
                let Some(line) = lines.get_mut(key) else {
                    return;
                };
                line.holder = Weak::new();
                let next = line.crowd.as_mut().and_then(|crowd| {
                    if let Some(past) = past.take() {
                        crowd.follow(past);
                    }
                    Some((crowd.waiting.pop_front()?, crowd.last.clone()))
                });
                match next {
                    Some(next) => next,
                    None => {
                        lines.remove(key);
                        return;
                    }
                }
            };
            // Whoever gave up gives the turn back here; whoever gives up with the turn in hand drops it.
            match waiter.next.send(Next::Turn(Turn::new(self, key, past))) {
                Ok(()) => return,
                Err(Next::Turn(mut back)) => back.live = false,
                Err(_) => {}
            }
        }
    }

    /// The key cools down, so the line has come to its end.
    fn dissolve(&self, key: &Key, window: Duration) {
        let line = lock(&self.lines).remove(key);
        let crowd = line.and_then(|line| line.crowd);
        for waiter in crowd.into_iter().flat_map(|crowd| crowd.waiting) {
            // Who gave up need not know.
            let _ = waiter.next.send(Next::CoolingDown(window));
        }
    }
}

impl Crowd {
    fn is_contended(&self) -> bool {
        self.before.as_ref().is_some_and(|release| release.woke())
    }

    /// A lease has ended.
    fn follow(&mut self, past: Past) {
        let contended = past.contended || self.is_contended();
        self.last = Past {
            contended,
            calm: if contended {
                0
            } else {
                past.calm.saturating_add(1)
            },
            ..past
        };
    }
}

impl Place {
    /// Waits for what comes, at most this long. `Err`: what the holder has left. Cancel safe: the place is left.
    pub(crate) async fn wait(mut self, within: Duration) -> Result<Next, Option<Duration>> {
        let began = Instant::now();
        let mut now = began;
        let mut look = pin!(tokio::time::sleep(Duration::ZERO));
        loop {
            let left = within.saturating_sub(now - began);
            let holder = self.queue.holder(&self.key);
            if left.is_zero() {
                // What came at this very moment is not left lying.
                return self
                    .next
                    .try_recv()
                    .map_err(|_| holder.map(|lease| lease.remaining()));
            }
            // A lease may run out while its guard is still about: that ends its turn, if somebody looks.
            let look_again = match holder.map(|lease| lease.kept_for().ok_or(lease)) {
                Some(Ok(left)) => left.saturating_add(Duration::from_millis(1)),
                Some(Err(over)) => {
                    over.lapse();
                    Duration::from_millis(1)
                }
                None => LOOK,
            };
            look.as_mut().reset(now + look_again.min(LOOK).min(left));
            tokio::select! {
                biased;
                next = &mut self.next => return next.map_err(|_| None),
                () = &mut look => now = Instant::now(),
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
            .and_then(|line| line.crowd.as_ref())
            .map_or(0, |crowd| crowd.waiting.len())
    }

    /// No quorum answered: those who do not wait for the nodes to come back leave the line.
    pub(crate) fn fail_fast(&self, error: &Error) {
        let mut lines = lock(&self.queue.lines);
        let Some(crowd) = lines
            .get_mut(&self.key)
            .and_then(|line| line.crowd.as_mut())
        else {
            return;
        };
        let all = std::mem::take(&mut crowd.waiting);
        let (leaving, staying) = all.into_iter().partition(|waiter| waiter.fail_fast);
        crowd.waiting = staying;
        drop(lines);
        let leaving: VecDeque<Waiter> = leaving;
        for waiter in leaving {
            // Who gave up need not know.
            let _ = waiter.next.send(Next::Outage(error.clone()));
        }
    }

    /// From now on the turn belongs to this lease.
    pub(crate) fn granted(mut self, lease: &Arc<Lease>) {
        self.live = false;
        if let Some(line) = lock(&self.queue.lines).get_mut(&self.key) {
            line.holder = Arc::downgrade(lease);
            if let Some(crowd) = &mut line.crowd {
                crowd.before = self.past.release.take();
            }
        }
        lease.succeeded_by(Arc::clone(&self.queue) as Arc<dyn Succession>);
    }
}

impl Succession for Queue {
    fn hand_on(self: Arc<Self>, lease: &Arc<Lease>) -> bool {
        let key = lease.key();
        // Only the head of the line: whoever wants other terms is not overtaken.
        while let Some(waiter) = self.next_waiter(key, |waiter| waiter.terms == *lease.terms()) {
            let Some(hold) = lease.turn(waiter.hold_terms) else {
                self.put_back(key, waiter);
                return false;
            };
            match waiter.next.send(Next::Hold(Unclaimed::new(hold))) {
                Ok(()) => return true,
                // Gave up at this very moment: its turn goes on as the next one's.
                Err(Next::Hold(unclaimed)) => drop(unclaimed.claim()),
                Err(_) => {}
            }
        }
        false
    }

    fn is_contended(&self, key: &Key) -> bool {
        lock(&self.lines)
            .get(key)
            .and_then(|line| line.crowd.as_ref())
            .is_some_and(|crowd| crowd.is_contended())
    }

    fn ended(
        self: Arc<Self>,
        lease: &Lease,
        release: Option<&Arc<Round>>,
        window: Option<Duration>,
    ) {
        if let Some(window) = window {
            self.dissolve(lease.key(), window);
            return;
        }
        let past = Past {
            fence: lease.last_token(),
            release: release.cloned(),
            contended: lease.hand_over_limit().contended,
            calm: lease.hand_over_limit().calm,
        };
        self.move_on(lease.key(), Some(past));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.live {
            self.queue.move_on(&self.key, None);
        }
    }
}
