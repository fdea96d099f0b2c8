//! A Redis Cluster as one node: a lane to each of its masters, and the map of slots that says whose a key is.
//!
//! So a shard that hangs or is gone holds up nobody else's keys, and each has the votes, the quarantine and the owed
//! releases of its own server.
//!
//! A vote counts if it is the vote of the server that the map names, if the map was confirmed by a majority of the masters
//! not long ago, and if the slot has not moved within the guard time.

use std::{
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::Notify,
    time::{sleep, timeout},
};

use super::{
    Ballot, Call, Fault, FaultKind, NodeState, Nodes, Op, Reply, Sight, What,
    contact::Contact,
    lane::Lane,
    lanes::Lanes,
    moves::{Look, MoveGuard},
    redis::{Redirection, Slots, Surveyed, Surveyor, Target, redirection, slot_of},
};
use crate::{
    clock::{Clock, Instant},
    key::Key,
    protocol::guard_time::{self, RestartGuard},
    sync::lock,
};

/// How often a call follows the word of a server that its slot has gone to another, or is on its way there.
const HOPS: u32 = 3;
/// The pause before a call whose keys are on their way is sent again; it doubles up to [`REST_MOST`].
const REST: Duration = Duration::from_millis(5);
const REST_MOST: Duration = Duration::from_millis(100);
/// A server that has not been connected to yet answers after so many steps, each of which has a node time-out.
const STEPS: u32 = 4;
/// The most servers without slots of their own to which slots are on their way.
const MOST_IMPORTERS: usize = 16;
/// The most calls that wait for the first map; one more is refused.
const MOST_EARLY: usize = 16_384;
/// The pause between two looks at the map while something is wrong; it doubles up to [`PAUSE_MOST`].
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MOST: Duration = Duration::from_secs(1);
/// How many looks at the map may fail until it is not confirmed any more.
const LOOKS: u32 = 4;

/// The ways to the servers of one cluster. Dropped: its lanes send what waits and end.
#[derive(Debug)]
pub(super) struct Shards(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    index: usize,
    target: Target,
    nodes: Weak<Nodes>,
    timeout: Duration,
    inbox: Arc<str>,
    contact: Arc<Contact>,
    runtime: Handle,
    clock: Clock,
    /// For how long votes count after the map was confirmed, and slots have no vote after they moved; `None` where every
    /// vote counts.
    trust: Option<(Duration, MoveGuard)>,
    map: Mutex<Map>,
    /// Until when the map is confirmed, in microseconds of the clock.
    confirmed: AtomicU64,
    /// The epoch of the map.
    epoch: AtomicU64,
    /// The map may be out of date.
    doubted: Notify,
}

#[derive(Debug, Default)]
struct Map {
    slots: Slots,
    /// One for each server of `slots`, in their order.
    shards: Vec<Shard>,
    /// Servers without slots to which some are on their way; the latest last.
    importers: Vec<Shard>,
    /// What came before the first map, and releases that no server can be sent now.
    early: Vec<Op>,
    /// Why there is no map, where there should be one.
    missing: Option<Fault>,
}

#[derive(Clone, Debug)]
struct Shard {
    server: Arc<str>,
    /// Who it is in the cluster.
    id: Arc<str>,
    state: Arc<NodeState>,
    lane: Arc<Lane>,
}

impl Shards {
    pub(super) fn start(
        nodes: &Arc<Nodes>,
        index: usize,
        target: &Target,
        inbox: &Arc<str>,
        contact: &Arc<Contact>,
        runtime: &Handle,
    ) -> Self {
        let confirmed_for = guard_time::confirmed_for(nodes.skew);
        let guard = MoveGuard {
            time: guard_time::after_a_move(nodes.max_ttl, nodes.skew),
            absence: confirmed_for,
        };
        let shared = Arc::new(Shared {
            clock: nodes.clock,
            trust: (nodes.guard == RestartGuard::Observed).then_some((confirmed_for, guard)),
            confirmed: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            index,
            target: target.clone(),
            nodes: Arc::downgrade(nodes),
            timeout: nodes.timeout,
            inbox: Arc::clone(inbox),
            contact: Arc::clone(contact),
            runtime: runtime.clone(),
            map: Mutex::default(),
            doubted: Notify::new(),
        });
        let every = confirmed_for / LOOKS;
        runtime.spawn(watch(Arc::downgrade(&shared), Surveyor::new(target), every));
        Self(shared)
    }

    pub(super) fn submit(&self, op: Op) {
        self.0.submit(op, Trip::default());
    }

    /// There is more to say than what was submitted.
    pub(super) fn wake(&self) {
        for shard in &lock(&self.0.map).shards {
            shard.lane.wake();
        }
    }

    /// Whether the server that has the key tells the inbox what is free.
    pub(super) fn hears(&self, key: &Key) -> bool {
        let map = lock(&self.0.map);
        let shard = map.shard_of(slot_of(key.lock()));
        shard.is_some_and(|shard| shard.lane.hears())
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        self.0.doubted.notify_one();
    }
}

/// How far a call has been sent around.
#[derive(Clone, Copy, Debug, Default)]
struct Trip {
    hops: u32,
    rests: u32,
    /// When it was first sent back because its keys are on their way.
    since: Option<Instant>,
}

/// Whom a call concerns.
enum Concerns {
    One(Shard),
    All(Vec<Shard>),
    Nobody(Fault),
    /// The map is not there yet.
    Unknown,
}

impl Shared {
    fn submit(self: &Arc<Self>, op: Op, trip: Trip) {
        let concerns = {
            let mut map = lock(&self.map);
            let concerns = map.concerns(op.ballot.call());
            match &concerns {
                Concerns::Unknown if map.early.len() < MOST_EARLY || op.must_arrive() => {
                    map.early.push(op);
                    return;
                }
                Concerns::Nobody(_) => map.defer(&op, self.nodes.upgrade()),
                _ => {}
            }
            concerns
        };
        // Answers may come at once, so not under the lock.
        match concerns {
            Concerns::One(shard) => {
                let id = Arc::clone(&shard.id);
                self.send(op, shard, id, trip, false);
            }
            Concerns::All(shards) => Muster::send(self, &op, shards),
            Concerns::Nobody(fault) => {
                self.doubted.notify_one();
                op.answer(Reply::Failed(fault));
            }
            Concerns::Unknown => op.answer(Reply::Failed(Fault::untouched(
                FaultKind::Backlog,
                format!("{MOST_EARLY} operations wait for this cluster already"),
            ))),
        }
    }

    /// Sends `op` to a server, in the place of the server `id` where the slot is on its way.
    fn send(self: &Arc<Self>, op: Op, shard: Shard, id: Arc<str>, trip: Trip, importing: bool) {
        let node = op.node;
        let routed = Routed {
            op,
            shards: Arc::downgrade(self),
            server: shard.state,
            id,
            trip,
            importing,
        };
        shard.lane.submit(Op {
            ballot: Arc::new(routed),
            node,
        });
    }

    /// Sends a call where its server says. Not for ever: says whether it was sent.
    fn redirect(self: &Arc<Self>, routed: &Routed, to: Redirection) -> bool {
        let (op, mut trip) = (routed.op.clone(), routed.trip);
        if matches!(to, Redirection::TryAgain) {
            return self.rest(op, trip);
        }
        trip.hops += 1;
        if trip.hops > HOPS {
            return false;
        }
        match to {
            Redirection::Moved(slot, server) => {
                self.follow(slot, server);
                self.submit(op, trip);
            }
            Redirection::Ask(server) => {
                let Some(shard) = self.importer(&server) else {
                    return false;
                };
                self.send(op, shard, Arc::clone(&routed.id), trip, true);
            }
            Redirection::TryAgain => {}
        }
        true
    }

    /// Sends a call again after a pause, since its keys are on their way: for a node time-out. A release is kept then for
    /// the next look at the map.
    fn rest(self: &Arc<Self>, op: Op, mut trip: Trip) -> bool {
        let now = self.clock.now();
        if now >= trip.since.get_or_insert(now).after(self.timeout) || !op.ballot.wanted() {
            lock(&self.map).defer(&op, self.nodes.upgrade());
            return false;
        }
        let pause = (REST * 2_u32.saturating_pow(trip.rests)).min(REST_MOST);
        trip.rests += 1;
        trip.hops = 0;
        let shared = Arc::clone(self);
        self.runtime.spawn(async move {
            sleep(pause).await;
            shared.submit(op, trip);
        });
        true
    }

    /// The server that a slot is on its way to: it may have none yet.
    fn importer(self: &Arc<Self>, server: &str) -> Option<Shard> {
        let nodes = self.nodes.upgrade()?;
        let mut map = lock(&self.map);
        let mut known = map.shards.iter().chain(&map.importers);
        if let Some(shard) = known.find(|shard| *shard.server == *server) {
            return Some(shard.clone());
        }
        let state = nodes.states[self.index].another_part(server);
        let shard = self.shard(&nodes, state, server.into())?;
        let oldest = (map.importers.len() >= MOST_IMPORTERS).then(|| map.importers.remove(0));
        map.importers.push(shard.clone());
        drop(map);
        for op in oldest.iter().flat_map(|oldest| oldest.lane.take_deferred()) {
            self.submit(op, Trip::default());
        }
        Some(shard)
    }

    /// A way to a server.
    fn shard(&self, nodes: &Arc<Nodes>, state: Arc<NodeState>, id: Arc<str>) -> Option<Shard> {
        let target = self.target.server(state.name())?;
        let (lane, life) = Lane::start(
            nodes,
            self.index,
            &state,
            &target,
            &self.inbox,
            &self.contact,
        );
        self.runtime.spawn(Lanes::new(vec![life]));
        Some(Shard {
            server: state.name().into(),
            id,
            state,
            lane: Arc::new(lane),
        })
    }

    /// A server says that `slot` has gone to `server`.
    fn follow(self: &Arc<Self>, slot: u16, server: String) {
        let mut slots = lock(&self.map).slots.clone();
        slots.give(slot, server);
        self.adopt(slots);
        self.doubted.notify_one();
    }

    /// Before the first map that is believed: asks the masters what other clients recorded of it. Says whether they told.
    async fn recall(&self, slots: &Slots, surveyor: &mut Surveyor) -> bool {
        let Some(nodes) = self.nodes.upgrade().filter(|_| self.trust.is_some()) else {
            return true;
        };
        let moves = &nodes.states[self.index].moves;
        if !moves.is_new() {
            return true;
        }
        let records = surveyor.recall(slots, &nodes.namespace, self.timeout);
        let records = records.await;
        moves.remember(records.as_deref().unwrap_or_default());
        records.is_some()
    }

    /// Records on the masters whose the slots are, for clients to come: when that has changed, and before it is forgotten.
    async fn record(
        &self,
        slots: &Slots,
        surveyor: &mut Surveyor,
        recorded: &mut Option<(String, Instant)>,
    ) {
        let Some(nodes) = self.nodes.upgrade().filter(|_| self.trust.is_some()) else {
            return;
        };
        let now = self.clock.now();
        let text = nodes.states[self.index].moves.record(now);
        let fresh = |(last, at): &(String, Instant)| {
            *last == text && now.saturating_since(*at) < nodes.retention / 4
        };
        if !recorded.as_ref().is_some_and(fresh) {
            let (namespace, retention) = (&nodes.namespace, nodes.retention);
            let done = surveyor.record(slots, namespace, &text, retention, self.timeout);
            *recorded = done.await.then_some((text, now));
        }
    }

    /// Takes note of a map that was asked for at `asked`.
    fn surveyed(self: &Arc<Self>, surveyed: &Surveyed, asked: Instant) {
        let Some(nodes) = self.nodes.upgrade() else {
            return;
        };
        // A server that was cut off lately tells an older map, when nobody else can be asked.
        let known = self.epoch.fetch_max(surveyed.epoch, Relaxed);
        if surveyed.epoch < known && !surveyed.confirmed {
            return;
        }
        self.epoch.store(surveyed.epoch, Relaxed);
        let slots = &surveyed.slots;
        // What nobody confirms gives no votes, and says nothing of who has which slots.
        if let Some((confirmed_for, guard)) = self.trust.filter(|_| surveyed.confirmed) {
            let state = &nodes.states[self.index];
            let look = Look {
                ranges: slots.ranges(),
                servers: slots.masters(),
                leaving: &surveyed.leaving,
                asked,
                now: self.clock.now(),
            };
            let moved = state.moves.adopt(&look, guard);
            if !moved.is_empty() {
                tracing::warn!(
                    node = state.name(), slots = %listed(&moved), seconds = guard.time.as_secs(),
                    "slots moved to servers that may not know their locks: they have no vote for the guard time"
                );
            }
            let until = asked.after(confirmed_for).micros();
            self.confirmed.store(until, Relaxed);
        }
        self.adopt(slots.clone());
    }

    /// Goes by another map from now on.
    fn adopt(self: &Arc<Self>, slots: Slots) {
        if lock(&self.map).is_up_to_date(&slots) {
            return;
        }
        let Some(nodes) = self.nodes.upgrade() else {
            return;
        };
        let (early, gone) = {
            let mut map = lock(&self.map);
            let states = nodes.states[self.index].parts(&slots.by_server());
            let masters = slots.masters().iter();
            let shards = states.into_iter().zip(masters);
            let shards = shards.filter_map(|(state, master)| {
                let mut known = map.shards.iter().chain(&map.importers);
                let known = known.find(|shard| Arc::ptr_eq(&shard.state, &state));
                let id = Arc::clone(&master.id);
                match known.cloned() {
                    Some(shard) => Some(Shard { id, ..shard }),
                    None => self.shard(&nodes, state, id),
                }
            });
            let shards: Vec<Shard> = shards.collect();
            if shards.len() != slots.servers().len() {
                // A server whose address cannot be one: the next look may tell better.
                return;
            }
            let is_among = |shards: &[Shard], one: &Shard| {
                shards
                    .iter()
                    .any(|other| Arc::ptr_eq(&other.state, &one.state))
            };
            map.importers.retain(|one| !is_among(&shards, one));
            let mut gone = std::mem::replace(&mut map.shards, shards);
            gone.retain(|one| !is_among(&map.shards, one));
            map.slots = slots;
            map.missing = None;
            (std::mem::take(&mut map.early), gone)
        };
        // A successor knows what was replicated to it: releases that its predecessor is owed concern it too.
        let owed: Vec<Op> = gone
            .iter()
            .flat_map(|shard| shard.lane.take_deferred())
            .collect();
        drop(gone);
        for op in owed.into_iter().chain(early) {
            self.submit(op, Trip::default());
        }
    }

    /// No server could be asked for the map.
    fn no_map(&self, fault: &Fault) {
        self.contact.attempted(self.index, false);
        let early = {
            let mut map = lock(&self.map);
            if !map.slots.is_empty() {
                // The old one will do: each lane knows itself whether its server is there.
                return;
            }
            map.missing = Some(fault.clone());
            let early = std::mem::take(&mut map.early);
            for op in &early {
                map.defer(op, self.nodes.upgrade());
            }
            early
        };
        if let Some(nodes) = self.nodes.upgrade() {
            nodes.states[self.index].went_down(fault);
        }
        for op in early {
            op.answer(Reply::Failed(fault.clone()));
        }
    }

    /// For how long some slot has no vote since it moved.
    fn moved_lately(&self) -> Option<Duration> {
        self.trust?;
        let nodes = self.nodes.upgrade()?;
        nodes.states[self.index].moves.longest(self.clock.now())
    }

    /// Why the yes of the server `id` to `call` is no vote, where it is none. `importing`: given by the server that the slot is
    /// on its way to.
    fn no_vote(&self, call: &Call, id: &str, importing: bool) -> Option<Fault> {
        let (_, guard) = self.trust?;
        if !call.what.needs_trust() {
            return None;
        }
        let nodes = self.nodes.upgrade()?;
        let (slot, now) = (slot_of(call.key.lock()), self.clock.now());
        if self.confirmed.load(Relaxed) < now.micros() {
            self.doubted.notify_one();
            return Some(Fault::unknown(
                FaultKind::Unreachable,
                "no majority of the cluster's masters confirmed lately who serves the key's slot",
            ));
        }
        let moves = &nodes.states[self.index].moves;
        // A server that a slot leaves grants no new locks, unless the slot stays after all.
        if !importing && matches!(call.what, What::Acquire { .. }) && moves.is_leaving(slot) {
            self.doubted.notify_one();
            return Some(Fault::moved(slot, guard.time));
        }
        let left = moves.no_vote(slot, id, now)?;
        Some(Fault::moved(
            slot,
            if left.is_zero() { guard.time } else { left },
        ))
    }

    fn is_well(&self) -> bool {
        let map = lock(&self.map);
        !map.slots.is_empty() && map.shards.iter().all(|shard| shard.state.is_up())
    }
}

impl Map {
    /// Whether there is nothing to do about a map.
    fn is_up_to_date(&self, slots: &Slots) -> bool {
        self.slots == *slots && self.early.is_empty()
    }

    fn shard_of(&self, slot: u16) -> Option<&Shard> {
        self.shards.get(self.slots.server_of(slot)?)
    }

    /// Keeps a release for the next map.
    fn defer(&mut self, op: &Op, nodes: Option<Arc<Nodes>>) {
        if op.must_arrive()
            && let Some(nodes) = nodes
        {
            self.early.push(op.clone().deferred(nodes.now()));
        }
    }

    fn concerns(&self, call: &Call) -> Concerns {
        if self.slots.is_empty() {
            return self
                .missing
                .clone()
                .map_or(Concerns::Unknown, Concerns::Nobody);
        }
        if matches!(call.what, What::Ping | What::Trust) {
            return Concerns::All(self.shards.clone());
        }
        let slot = slot_of(call.key.lock());
        self.shard_of(slot).cloned().map_or_else(
            || {
                Concerns::Nobody(Fault::untouched(
                    FaultKind::Other,
                    format!("no server of the cluster has slot {slot}, which the key belongs to"),
                ))
            },
            Concerns::One,
        )
    }
}

/// Keeps the map up to date for as long as somebody uses it.
async fn watch(shards: Weak<Shared>, mut surveyor: Surveyor, every: Duration) {
    let mut pause = PAUSE;
    let mut recorded = None;
    loop {
        let Some(shared) = shards.upgrade() else {
            return;
        };
        let asked = shared.clock.now();
        match surveyor.look(shared.timeout * STEPS).await {
            Ok(mut surveyed) => {
                if surveyed.confirmed {
                    surveyed.confirmed = shared.recall(&surveyed.slots, &mut surveyor).await;
                }
                shared.surveyed(&surveyed, asked);
                if surveyed.confirmed {
                    shared
                        .record(&surveyed.slots, &mut surveyor, &mut recorded)
                        .await;
                }
            }
            Err(fault) => shared.no_map(&fault),
        }
        if shared.is_well() {
            pause = PAUSE;
            let _ = timeout(every, shared.doubted.notified()).await;
        }
        drop(shared);
        sleep(pause.min(every)).await;
        pause = (pause * 2).min(PAUSE_MOST);
    }
}

/// `7, 100-5460`: the first ranges.
fn listed(ranges: &[(u16, u16)]) -> String {
    const MOST: usize = 8;
    let shown = ranges
        .iter()
        .take(MOST)
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        });
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if ranges.len() > MOST {
        text.push_str(", …");
    }
    text
}

/// A call on its way to the server that has its key.
struct Routed {
    op: Op,
    shards: Weak<Shared>,
    server: Arc<NodeState>,
    /// Who has the slot: the server, or the one that it is on its way from.
    id: Arc<str>,
    trip: Trip,
    /// The slot is on its way to the server.
    importing: bool,
}

impl Ballot for Routed {
    fn call(&self) -> &Call {
        self.op.ballot.call()
    }

    fn wanted(&self) -> bool {
        self.op.ballot.wanted()
    }

    fn sent(&self, node: usize) {
        self.op.ballot.sent(node);
    }

    fn deferred(&self, now: Instant) -> Option<Arc<dyn Ballot>> {
        let op = Op {
            ballot: self.op.ballot.deferred(now)?,
            node: self.op.node,
        };
        Some(Arc::new(Self {
            op,
            shards: Weak::clone(&self.shards),
            server: Arc::clone(&self.server),
            id: Arc::clone(&self.id),
            trip: self.trip,
            importing: self.importing,
        }))
    }

    fn vote(&self, _: usize, reply: Reply) {
        let Reply::Failed(fault) = reply else {
            self.op.ballot.voter(self.op.node, &self.server);
            return self.op.answer(self.weigh(reply));
        };
        if let Some(shards) = self.shards.upgrade() {
            let to = redirection(&fault, self.server.name());
            if to.is_some_and(|to| shards.redirect(self, to)) {
                return;
            }
            // Whatever it is, another server may have taken over.
            shards.doubted.notify_one();
        }
        self.op
            .answer(Reply::Failed(of_server(self.server.name(), &fault)));
    }

    fn voter(&self, node: usize, server: &Arc<NodeState>) {
        self.op.ballot.voter(node, server);
    }

    fn asked_again(&self, node: usize) {
        self.op.ballot.asked_again(node);
    }

    fn is_importing(&self) -> bool {
        self.importing
    }

    fn saw(&self, node: usize, sight: Sight) {
        self.op.ballot.saw(node, sight);
    }
}

impl Routed {
    /// What a reply is worth: neither a yes nor a "gone" of a server counts that may not know the slot's locks.
    fn weigh(&self, reply: Reply) -> Reply {
        if !matches!(reply, Reply::Yes | Reply::Healed | Reply::Gone) {
            return reply;
        }
        let no_vote = self
            .shards
            .upgrade()
            .and_then(|shards| shards.no_vote(self.op.ballot.call(), &self.id, self.importing));
        match no_vote {
            Some(fault) => Reply::Failed(of_server(self.server.name(), &fault)),
            None => reply,
        }
    }
}

fn of_server(server: &str, fault: &Fault) -> Fault {
    Fault {
        text: format!("{server}: {fault}").into(),
        ..*fault
    }
}

/// A call to all servers. The cluster answers if one of them does: each takes along its own keys only.
struct Muster {
    op: Op,
    shards: Weak<Shared>,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    /// Servers that have not answered; none once the answer was given.
    pending: usize,
    /// Servers that did what was asked.
    done: usize,
    /// For how long one of them has no vote.
    abstains: Option<Duration>,
    fault: Option<Fault>,
    /// One of them is another node as well.
    misplaced: bool,
}

/// One server's part in it.
struct Present {
    muster: Arc<Muster>,
    server: Arc<str>,
}

impl Muster {
    fn send(shards: &Arc<Shared>, op: &Op, servers: Vec<Shard>) {
        let muster = Arc::new(Self {
            op: op.clone(),
            shards: Arc::downgrade(shards),
            heard: Mutex::new(Heard {
                pending: servers.len(),
                ..Heard::default()
            }),
        });
        for shard in servers {
            let present = Present {
                muster: Arc::clone(&muster),
                server: shard.server,
            };
            shard.lane.submit(Op {
                ballot: Arc::new(present),
                node: op.node,
            });
        }
        // One that hangs is not waited for.
        let (bound, muster) = (shards.timeout * 3 / 4, Arc::downgrade(&muster));
        shards.runtime.spawn(async move {
            sleep(bound).await;
            if let Some(muster) = muster.upgrade() {
                muster.close();
            }
        });
    }

    fn hear(&self, server: &str, reply: Reply) {
        let mut heard = lock(&self.heard);
        if heard.pending == 0 {
            return;
        }
        heard.pending -= 1;
        match reply {
            Reply::Failed(fault) => {
                heard.misplaced |= fault.kind == FaultKind::SameServer;
                heard.fault.get_or_insert_with(|| of_server(server, &fault));
            }
            Reply::Abstains { left } => heard.abstains = heard.abstains.max(Some(left)),
            _ => heard.done += 1,
        }
        if heard.pending == 0 {
            let heard = std::mem::take(&mut *heard);
            self.answer(heard);
        }
    }

    /// Answers with what was heard so far, if that is something.
    fn close(&self) {
        let mut heard = lock(&self.heard);
        if heard.pending > 0 && (heard.done > 0 || heard.abstains.is_some()) {
            let heard = std::mem::take(&mut *heard);
            self.answer(heard);
        }
    }

    fn answer(&self, heard: Heard) {
        let shards = self.shards.upgrade();
        if let Some(shards) = shards.as_ref().filter(|_| heard.fault.is_some()) {
            shards.doubted.notify_one();
        }
        let moved = shards.and_then(|shards| shards.moved_lately());
        self.op
            .answer(match (heard.abstains.max(moved), heard.fault) {
                (None, Some(fault)) if heard.done == 0 || heard.misplaced => Reply::Failed(fault),
                (Some(left), _) => Reply::Abstains { left },
                (None, _) => Reply::Yes,
            });
    }
}

impl Ballot for Present {
    fn call(&self) -> &Call {
        self.muster.op.ballot.call()
    }

    fn wanted(&self) -> bool {
        self.muster.op.ballot.wanted()
    }

    fn vote(&self, _: usize, reply: Reply) {
        self.muster.hear(&self.server, reply);
    }
}
