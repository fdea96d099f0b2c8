//! The connections of a client, one set for each runtime that uses it.
//!
//! What a caller awaits is driven by the caller's own runtime, so a client outlives the runtime that built it and
//! works in several side by side.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    runtime::{Handle, Id},
    sync::oneshot,
};

#[cfg(feature = "cluster")]
use super::shards::Shards;
use super::{
    Fault, FaultKind, Lists, NodeState, Op, Outbox, Place, Reply, Strict, Wakes,
    connection::Lane,
    connection_tasks::Lanes,
    first_contact::Contact,
    memory,
    state::{self, Forgot},
};
use crate::{
    env::{
        background::Background,
        clock::{Clock, Instant},
        random::{Random, unique},
        sync::lock,
    },
    key::Key,
    mutant::{self, Mutant},
    quorum::{
        guard_time::{self, RestartGuard},
        token::TokenClock,
        votes::quorum,
    },
};

/// The nodes of a client, and what it knows of them.
#[derive(Debug)]
pub(crate) struct Nodes {
    pub(crate) places: Vec<Place>,
    pub(crate) states: Arc<[Arc<NodeState>]>,
    pub(crate) lists: Arc<Lists>,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    /// What may stop the tasks of this client: its nodes in memory.
    pub(crate) gate: Option<Arc<memory::Gate>>,
    pub(crate) tokens: TokenClock,
    pub(crate) guard: RestartGuard,
    pub(crate) max_ttl: Duration,
    pub(crate) skew: Duration,
    /// How long a node may take for an operation, and for connecting.
    pub(crate) timeout: Duration,
    /// Set where the restart guard is strict.
    pub(crate) strict: Option<Strict>,
    /// How long a fence is remembered after its last use.
    pub(crate) retention: Duration,
    /// Who waits here to be woken.
    pub(crate) wakes: Arc<Wakes>,
    /// What stands before all keys.
    #[cfg(feature = "cluster")]
    pub(crate) namespace: String,
    /// What stands before the inboxes of processes, as channels.
    pub(crate) channel: String,
    pub(crate) drivers: Mutex<Vec<(Id, Arc<Driver>)>>,
    /// What no runtime has taken on.
    pub(crate) outbox: Arc<Outbox>,
    /// Where the client has a thread of its own for renewals.
    pub(crate) background: Option<Background>,
}

impl Nodes {
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn quorum(&self) -> usize {
        quorum(self.places.len())
    }

    /// How long the first contact may take: each step of connecting has a node time-out.
    pub(crate) fn contact_within(&self) -> Duration {
        const STEPS: u32 = 12;
        self.timeout.saturating_mul(STEPS)
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) fn guard_time(&self) -> Duration {
        guard_time::guard_time(self.max_ttl, self.skew)
    }

    /// Takes note of who answered a new connection to node `index`.
    pub(crate) fn admit(&self, index: usize, state: &NodeState, info: &super::Info) {
        let now = self.now();
        let (age, round_trip) = info
            .told
            .map_or_else(Default::default, |(told, trip)| (told.elapsed(), trip));
        // A reply that was stalled for longer than clocks may lie apart tells nothing.
        if info.time > 0 && round_trip <= self.skew.max(self.timeout) {
            self.tokens.calibrate(index, info.time, now.before(age));
        }
        state::admit(
            &self.states,
            index,
            state,
            info,
            now,
            if mutant::on(Mutant::NoGuard) {
                RestartGuard::Off
            } else {
                self.guard
            },
            self.guard_time(),
        );
    }

    /// A node, or a server of one, may have forgotten locks just now.
    pub(crate) fn forget(&self, state: &NodeState, why: Forgot) {
        if !mutant::on(Mutant::NoGuard) {
            state.forget(why, self.now(), self.guard, self.guard_time());
        }
    }

    /// There is more to announce: connections that are idle do so now.
    pub(crate) fn announce(&self) {
        let drivers: Vec<_> = lock(&self.drivers)
            .iter()
            .map(|(_, driver)| Arc::clone(driver))
            .collect();
        for way in drivers.iter().flat_map(|driver| &driver.ways) {
            match way {
                Way::Lane(lane) => lane.wake(),
                Way::Memory(_) => {}
                #[cfg(feature = "cluster")]
                Way::Shards(shards) => shards.wake(),
            }
        }
    }

    /// The connections of the runtime that this is called in, made where there are none yet.
    pub(crate) fn driver(self: &Arc<Self>) -> Option<Arc<Driver>> {
        let runtime = Handle::try_current().ok()?;
        let mut drivers = lock(&self.drivers);
        if let Some((_, driver)) = drivers
            .iter()
            .find(|(id, driver)| *id == runtime.id() && driver.is_alive())
        {
            let driver = Arc::clone(driver);
            drop(drivers);
            driver.deliver(&self.outbox);
            return Some(driver);
        }
        drivers.retain(|(_, driver)| driver.is_alive());
        let sockets = self
            .places
            .iter()
            .any(|place| matches!(place, Place::Redis(_)));
        if !super::runtime::is_able(sockets) {
            return None;
        }
        let driver = Arc::new(Driver::start(self, &runtime));
        drivers.push((runtime.id(), Arc::clone(&driver)));
        drop(drivers);
        driver.deliver(&self.outbox);
        let (outbox, carrier) = (Arc::clone(&self.outbox), Arc::downgrade(&driver));
        runtime.spawn(async move {
            let deliver = || {
                let driver = carrier.upgrade();
                driver.inspect(|driver| driver.deliver(&outbox)).is_some()
            };
            outbox.watch(deliver).await;
        });
        Some(driver)
    }

    /// The connections for what ends a lock that was acquired over `own`: those of the runtime that this is called in,
    /// and outside of one those of whichever runtime runs next.
    pub(crate) fn driver_for_release(self: &Arc<Self>, own: &Arc<Driver>) -> Arc<Driver> {
        if own.is_current() {
            return Arc::clone(own);
        }
        self.driver()
            .unwrap_or_else(|| Arc::new(Driver::nowhere(&self.outbox)))
    }

    /// Whether the client has connections in more than one runtime, also in one that has ended.
    pub(crate) fn is_used_in_several_runtimes(&self) -> bool {
        lock(&self.drivers).len() > 1
    }

    /// The runtimes that go on, in which the client has been used.
    pub(crate) fn runtimes(&self) -> Vec<Handle> {
        let drivers = lock(&self.drivers);
        let alive = drivers.iter().filter(|(_, driver)| driver.is_alive());
        alive
            .filter_map(|(_, driver)| driver.runtime.clone())
            .collect()
    }
}

/// The way to each node from one runtime.
#[derive(Debug)]
pub(crate) struct Driver {
    ways: Vec<Way>,
    contact: Arc<Contact>,
    /// Where the nodes tell this process, over these lanes, that a lock is free.
    inbox: Arc<str>,
    /// `None` where there is none to drive anything: all goes to the outbox.
    runtime: Option<Handle>,
    /// Closed when the runtime ended.
    alive: oneshot::Sender<()>,
    outbox: Arc<Outbox>,
}

#[derive(Debug)]
enum Way {
    Lane(Lane),
    Memory(Box<memory::Port>),
    #[cfg(feature = "cluster")]
    Shards(Shards),
}

/// A name for the channel of this process that no other process has, nor a copy of this one.
fn inbox(random: &Random) -> Arc<str> {
    let unique = u64::from_ne_bytes(unique().unwrap_or_default());
    match random {
        Random::System => format!("{unique:016x}").into(),
        // Waiters that came at the same instant are told in the order of their names, which has to follow from the seed.
        Random::Seeded(_) => format!("{:016x}{unique:016x}", random.draw::<u64>()).into(),
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The client is gone. What waits goes with these connections, which deliver it before they end.
        if self.runtime.is_some() && self.is_alive() {
            self.deliver(&self.outbox);
        }
        // Ends the task that delivers for them.
        self.outbox.wake();
    }
}

impl Driver {
    fn start(nodes: &Arc<Nodes>, runtime: &Handle) -> Self {
        let inbox = inbox(&nodes.random);
        let contact = Arc::new(Contact::new());
        let mut lives = Vec::new();
        let ways = nodes
            .places
            .iter()
            .enumerate()
            .map(|(index, place)| match place {
                #[cfg(feature = "cluster")]
                Place::Redis(target) if target.is_cluster() => Way::Shards(Shards::start(
                    nodes, index, target, &inbox, &contact, runtime,
                )),
                Place::Redis(target) => {
                    let state = &nodes.states[index];
                    let (lane, life) = Lane::start(nodes, index, state, target, &inbox, &contact);
                    lives.push(life);
                    Way::Lane(lane)
                }
                Place::Memory(node) => {
                    contact.attempted(index, true);
                    Way::Memory(Box::new(memory::Port::new(nodes, index, node)))
                }
            })
            .collect();
        if !lives.is_empty() {
            runtime.spawn(Lanes::new(lives));
        }
        // The other end lives in a task, which ends with its runtime or with this driver.
        let (alive, ended) = oneshot::channel();
        runtime.spawn(ended);
        Self {
            ways,
            contact,
            inbox,
            runtime: Some(runtime.clone()),
            alive,
            outbox: Arc::clone(&nodes.outbox),
        }
    }

    /// Waits for the first contact with the nodes, which takes longer than a command: until a majority is connected or
    /// cannot be, for `within` at most. Cancel safe.
    pub(crate) async fn first_contact(&self, nodes: &Nodes, within: Duration) {
        let made = self.contact.made(nodes.len(), nodes.quorum());
        let _ = tokio::time::timeout(within, made).await;
    }

    /// No connections: what must arrive waits for a runtime.
    fn nowhere(outbox: &Arc<Outbox>) -> Self {
        Self {
            ways: Vec::new(),
            contact: Arc::new(Contact::new()),
            inbox: "".into(),
            runtime: None,
            alive: oneshot::channel().0,
            outbox: Arc::clone(outbox),
        }
    }

    /// Whether this is called in the runtime that drives these connections, and that goes on.
    pub(crate) fn is_current(&self) -> bool {
        let own = self.runtime.as_ref().map(Handle::id);
        own.is_some()
            && own == Handle::try_current().ok().map(|runtime| runtime.id())
            && self.is_alive()
    }

    /// Sends what waits for any runtime.
    fn deliver(&self, outbox: &Outbox) {
        for op in outbox.take() {
            self.submit(op);
        }
    }

    pub(crate) fn inbox(&self) -> &Arc<str> {
        &self.inbox
    }

    /// On how many nodes the inbox is listened to, for what is told of `key`.
    #[cfg_attr(not(feature = "cluster"), expect(unused_variables))]
    pub(crate) fn hears(&self, key: &Key) -> usize {
        let hears = |way: &&Way| match way {
            Way::Lane(lane) => lane.hears(),
            Way::Memory(_) => true,
            #[cfg(feature = "cluster")]
            Way::Shards(shards) => shards.hears(key),
        };
        self.ways.iter().filter(hears).count()
    }

    pub(crate) fn is_alive(&self) -> bool {
        !self.alive.is_closed()
    }

    /// Sends a call to a node. Never blocks; the answer goes to the ballot, at once perhaps.
    pub(crate) fn submit(&self, op: Op) {
        if op.must_arrive() && !self.is_alive() {
            self.outbox.push([op.clone()]);
            let fault = Fault::unknown(FaultKind::Unreachable, "no runtime drives connections");
            return op.answer(Reply::Failed(fault));
        }
        match self.ways.get(op.node) {
            Some(Way::Lane(lane)) => lane.submit(op),
            Some(Way::Memory(port)) => port.submit(op),
            #[cfg(feature = "cluster")]
            Some(Way::Shards(shards)) => shards.submit(op),
            None => {}
        }
    }
}
