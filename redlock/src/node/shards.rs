//! A Redis Cluster as one node: a lane to each of its masters, and the map of slots that says whose a key is.
//!
//! So a shard that hangs or is gone holds up nobody else's keys, and each has the votes, the quarantine and the owed
//! releases of its own server.

use std::{
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::Notify,
    time::{sleep, timeout},
};

use super::{
    Ballot, Call, Fault, FaultKind, NodeState, Nodes, Op, Reply, Sight, What,
    lane::Lane,
    lanes::Lanes,
    redis::{Slots, Target, moved, slot_of},
};
use crate::{clock::Instant, sync::lock};

/// How often a call follows the word of a server that its slot has gone to another.
const HOPS: u32 = 3;
/// The most calls that wait for the first map; one more is refused.
const MOST_EARLY: usize = 16_384;
/// The pause between two looks at the map while something is wrong; it doubles up to [`PAUSE_MOST`].
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MOST: Duration = Duration::from_secs(1);
/// And while nothing is.
const CALM: Duration = Duration::from_secs(60);

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
    runtime: Handle,
    map: Mutex<Map>,
    /// The map may be out of date.
    doubted: Notify,
}

#[derive(Debug, Default)]
struct Map {
    slots: Slots,
    /// One for each server of `slots`, in their order.
    shards: Vec<Shard>,
    /// What came before the first map, and releases that no server can be sent now.
    early: Vec<Op>,
    /// Why there is no map, where there should be one.
    missing: Option<Fault>,
}

#[derive(Clone, Debug)]
struct Shard {
    server: Arc<str>,
    state: Arc<NodeState>,
    lane: Arc<Lane>,
}

impl Shards {
    pub(super) fn start(
        nodes: &Arc<Nodes>,
        index: usize,
        target: &Target,
        inbox: &Arc<str>,
        runtime: &Handle,
    ) -> Self {
        let shared = Arc::new(Shared {
            index,
            target: target.clone(),
            nodes: Arc::downgrade(nodes),
            timeout: nodes.timeout,
            inbox: Arc::clone(inbox),
            runtime: runtime.clone(),
            map: Mutex::default(),
            doubted: Notify::new(),
        });
        runtime.spawn(watch(Arc::downgrade(&shared)));
        Self(shared)
    }

    pub(super) fn submit(&self, op: Op) {
        self.0.submit(op, HOPS);
    }

    /// There is more to say than what was submitted.
    pub(super) fn wake(&self) {
        for shard in &lock(&self.0.map).shards {
            shard.lane.wake();
        }
    }

    /// Whether every server tells the inbox what is free.
    pub(super) fn hears(&self) -> bool {
        let map = lock(&self.0.map);
        !map.shards.is_empty() && map.shards.iter().all(|shard| shard.lane.hears())
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        self.0.doubted.notify_one();
    }
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
    fn submit(self: &Arc<Self>, op: Op, hops: u32) {
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
                let routed = Routed {
                    op: op.clone(),
                    shards: Arc::downgrade(self),
                    server: shard.state,
                    hops,
                };
                shard.lane.submit(Op {
                    ballot: Arc::new(routed),
                    node: op.node,
                });
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

    /// A server says that `slot` has gone to `server`.
    fn follow(self: &Arc<Self>, slot: u16, server: String) {
        let mut slots = lock(&self.map).slots.clone();
        slots.give(slot, server);
        self.adopt(slots);
        self.doubted.notify_one();
    }

    /// Goes by another map from now on.
    fn adopt(self: &Arc<Self>, slots: Slots) {
        let Some(nodes) = self.nodes.upgrade() else {
            return;
        };
        let (early, gone) = {
            let mut map = lock(&self.map);
            let states = nodes.states[self.index].parts(slots.servers());
            let shards = states.into_iter().filter_map(|state| {
                let known = map
                    .shards
                    .iter()
                    .find(|shard| Arc::ptr_eq(&shard.state, &state));
                if let Some(shard) = known {
                    return Some(shard.clone());
                }
                let target = self.target.server(state.name())?;
                let (lane, life) = Lane::start(&nodes, self.index, &state, &target, &self.inbox);
                self.runtime.spawn(Lanes::new(vec![life]));
                Some(Shard {
                    server: state.name().into(),
                    state,
                    lane: Arc::new(lane),
                })
            });
            let shards: Vec<Shard> = shards.collect();
            if shards.len() != slots.servers().len() {
                // A server whose address cannot be one: the next look may tell better.
                return;
            }
            let mut gone = std::mem::replace(&mut map.shards, shards);
            gone.retain(|was| {
                !map.shards
                    .iter()
                    .any(|is| Arc::ptr_eq(&is.state, &was.state))
            });
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
            self.submit(op, HOPS);
        }
    }

    /// No server could be asked for the map.
    fn no_map(&self, fault: &Fault) {
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

    fn servers(&self) -> Vec<String> {
        lock(&self.map).slots.servers().to_vec()
    }

    fn is_well(&self) -> bool {
        let map = lock(&self.map);
        !map.slots.is_empty() && map.shards.iter().all(|shard| shard.state.is_up())
    }
}

impl Map {
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
        let shard = self
            .slots
            .server_of(slot)
            .and_then(|place| self.shards.get(place));
        shard.cloned().map_or_else(
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
async fn watch(shards: Weak<Shared>) {
    let mut pause = PAUSE;
    loop {
        let Some(shared) = shards.upgrade() else {
            return;
        };
        let known = shared.servers();
        match timeout(shared.timeout, Slots::ask(&shared.target, &known)).await {
            Ok(Ok(slots)) => shared.adopt(slots),
            Ok(Err(fault)) => shared.no_map(&fault),
            Err(_) => shared.no_map(&Fault::untouched(
                FaultKind::TimedOut,
                format!(
                    "no server told its slots within {} ms",
                    shared.timeout.as_millis()
                ),
            )),
        }
        if shared.is_well() {
            pause = PAUSE;
            let _ = timeout(CALM, shared.doubted.notified()).await;
        }
        drop(shared);
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MOST);
    }
}

/// A call on its way to the server that has its key.
struct Routed {
    op: Op,
    shards: Weak<Shared>,
    server: Arc<NodeState>,
    hops: u32,
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
            hops: self.hops,
        }))
    }

    fn vote(&self, _: usize, reply: Reply) {
        let Reply::Failed(fault) = reply else {
            self.op.ballot.voter(self.op.node, &self.server);
            return self.op.answer(reply);
        };
        if let Some(shards) = self.shards.upgrade() {
            if let Some((slot, server)) = moved(&fault).filter(|_| self.hops > 0) {
                shards.follow(slot, server);
                return shards.submit(self.op.clone(), self.hops - 1);
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

    fn saw(&self, node: usize, sight: Sight) {
        self.op.ballot.saw(node, sight);
    }
}

fn of_server(server: &str, fault: &Fault) -> Fault {
    Fault {
        text: format!("{server}: {fault}").into(),
        ..*fault
    }
}

/// A call to all servers, whose worst answer is the cluster's.
struct Muster {
    op: Op,
    shards: Weak<Shared>,
    heard: Mutex<(usize, Reply)>,
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
            heard: Mutex::new((servers.len(), Reply::Yes)),
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
        let worst = {
            let mut heard = lock(&self.muster.heard);
            heard.0 = heard.0.saturating_sub(1);
            heard.1 = match (std::mem::replace(&mut heard.1, Reply::Yes), reply) {
                (Reply::Failed(fault), _) => Reply::Failed(fault),
                (_, Reply::Failed(fault)) => Reply::Failed(of_server(&self.server, &fault)),
                (Reply::Abstains { left }, Reply::Abstains { left: other }) => Reply::Abstains {
                    left: left.max(other),
                },
                (Reply::Abstains { left }, _) | (_, Reply::Abstains { left }) => {
                    Reply::Abstains { left }
                }
                (_, other) => other,
            };
            (heard.0 == 0).then(|| heard.1.clone())
        };
        let Some(worst) = worst else { return };
        if let (Reply::Failed(_), Some(shards)) = (&worst, self.muster.shards.upgrade()) {
            shards.doubted.notify_one();
        }
        self.muster.op.answer(worst);
    }
}
