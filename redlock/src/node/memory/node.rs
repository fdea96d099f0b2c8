//! One node in memory: its process, and what it does with what arrives.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use super::{
    gate::Gate,
    parcel::{Answer, Parcel},
    path::{MOST, Path},
    port::Client,
    store::Store,
};
use crate::{
    env::{
        clock::{Clock, Instant},
        random::Random,
        sync::lock,
    },
    node::Operation,
};

/// Where the wall clocks of seeded nodes begin, in microseconds since the epoch.
const SEEDED_WALL: u64 = 1_700_000_000_000_000;

/// One node in memory, with its faults as switches. Clones are the same node over the same network.
#[derive(Clone)]
pub struct Node {
    pub(super) inner: Arc<Inner>,
    pub(super) path: Arc<Path>,
}

pub(super) struct Inner {
    pub(super) name: String,
    pub(super) random: Random,
    /// What the wall clock showed when the node's own clock began, in microseconds since the epoch.
    epoch: u64,
    pub(super) state: Mutex<State>,
}

pub(super) struct State {
    pub(super) store: Store,
    pub(super) process: Process,
    pub(super) up: bool,
    /// Since when it answers nothing, while it does not.
    pub(super) hung: Option<Instant>,
    /// What arrived while the node hung: its sockets' buffers.
    pub(super) held: Vec<Parcel>,
    /// Releases that clients keep until the node is back.
    pub(super) deferred: Vec<(Node, Client, Operation)>,
}

impl State {
    /// Keeps a release as its client does for a server that it cannot reach, or that has been silent for a node time-out.
    fn defer(&mut self, parcel: &Parcel) {
        if parcel.op.must_arrive() {
            self.deferred.push((
                parcel.node.clone(),
                parcel.client.clone(),
                parcel.op.clone().deferred(parcel.client.clock.now()),
            ));
        }
    }
}

/// One life of the node's process.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) number: u64,
    pub(super) run_id: String,
    /// How often its data were emptied.
    pub(super) emptied: u64,
    pub(super) started: Instant,
}

impl Process {
    pub(super) fn start(number: u64, random: &Random) -> Self {
        Self {
            number,
            run_id: format!("{:032x}", random.draw::<u128>()),
            emptied: 0,
            started: Clock::Tokio.now(),
        }
    }
}

impl Node {
    pub(super) fn new(name: String, random: &Random, gate: &Arc<Gate>) -> Self {
        let wall = match random {
            Random::System => SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |since| {
                    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
                }),
            Random::Seeded(_) => SEEDED_WALL,
        };
        Self {
            inner: Arc::new(Inner {
                name,
                random: random.clone(),
                epoch: wall.saturating_sub(Clock::Tokio.now().micros()),
                state: Mutex::new(State {
                    store: Store::default(),
                    process: Process::start(1, random),
                    up: true,
                    hung: None,
                    held: Vec::new(),
                    deferred: Vec::new(),
                }),
            }),
            path: Arc::new(Path::new(gate)),
        }
    }

    pub(super) fn apart(&self, gate: &Arc<Gate>) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            path: Arc::new(Path::new(gate)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn process(&self) -> u64 {
        lock(&self.inner.state).process.number
    }

    pub(crate) fn identity(&self) -> String {
        format!("memory {:p}", Arc::as_ptr(&self.inner))
    }

    pub(crate) fn random(&self) -> &Random {
        &self.inner.random
    }

    pub(crate) fn gate(&self) -> &Arc<Gate> {
        self.path.gate()
    }

    /// What `TIME` would say, in microseconds since the epoch.
    pub(crate) fn wall_clock(&self) -> u64 {
        self.wall(&lock(&self.inner.state).store)
    }

    fn wall(&self, store: &Store) -> u64 {
        self.inner.epoch.saturating_add(store.now().micros())
    }

    /// A request has come to the node.
    pub(super) fn arrive(parcel: Parcel) {
        let node = parcel.node.clone();
        let mut state = lock(&node.inner.state);
        if !state.up {
            state.defer(&parcel);
            drop(state);
            return parcel.refuse();
        }
        if parcel.process != state.process.number {
            drop(state);
            return parcel.lose("the server closed the connection");
        }
        if let Some(since) = state.hung {
            let must_arrive = parcel.op.must_arrive();
            let silence = Clock::Tokio.now().saturating_since(since);
            let sent = !must_arrive || silence < parcel.client.timeout;
            if sent && state.held.len() < MOST {
                return state.held.push(parcel);
            }
            state.defer(&parcel);
            drop(state);
            if must_arrive {
                return parcel.unsent();
            }
            return parcel.lose("the server takes in no more");
        }
        let answer = Answer {
            outcome: {
                let State { store, process, .. } = &mut *state;
                let request = parcel.op.sink.request();
                store.serve(request, &parcel.client, &node.path, &process.run_id)
            },
            process: state.process.clone(),
            time: node.wall(&state.store),
        };
        let bells = state.store.bells();
        drop(state);
        for bell in bells {
            bell.ring();
        }
        parcel.reply(answer);
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("name", &self.inner.name)
            .finish_non_exhaustive()
    }
}
