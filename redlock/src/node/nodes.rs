//! The nodes of a client, and what it knows of them.

use std::{sync::Arc, time::Duration};

use tokio::runtime::Handle;

use super::{
    ConnectionWakers, Info, Lists, NodeState, Notifications, Outbox, Strict, Target,
    trust::state::{self, Forgot},
};
use crate::{
    env::{
        background::Background,
        clock::{Clock, Instant},
        random::Random,
    },
    memory::Freezer,
    quorum::{
        node_set::quorum,
        restart_guard::{self, RestartGuard},
        token_clock::TokenClock,
    },
};

/// The nodes of a client, and what it knows of them.
#[derive(Debug)]
pub(crate) struct Nodes {
    pub(crate) places: Vec<Target>,
    pub(crate) states: Arc<[Arc<NodeState>]>,
    pub(crate) lists: Arc<Lists>,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    /// What may freeze the tasks of this client: its nodes in memory.
    pub(crate) freezer: Option<Arc<Freezer>>,
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
    pub(crate) notifications: Arc<Notifications>,
    /// What stands before all keys.
    #[cfg(feature = "cluster")]
    pub(crate) namespace: String,
    /// What stands before the inboxes of processes, as channels.
    pub(crate) channel: String,
    pub(crate) connection_wakers: ConnectionWakers,
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

    /// Spawns a task that is frozen where the nodes in memory freeze their clients.
    pub(crate) fn spawn(&self, runtime: &Handle, task: impl Future<Output = ()> + Send + 'static) {
        match self.freezer.clone() {
            Some(freezer) => drop(runtime.spawn(freezer.task(task))),
            None => drop(runtime.spawn(task)),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) fn guard_time(&self) -> Duration {
        restart_guard::guard_time(self.max_ttl, self.skew)
    }

    /// Takes note of who answered a new connection to node `index`.
    pub(crate) fn record_handshake(&self, index: usize, state: &NodeState, info: &Info) {
        let now = self.now();
        let (age, round_trip) = info
            .answered
            .map_or_else(Default::default, |(at, trip)| (at.elapsed(), trip));
        // A reply that was stalled for longer than clocks may lie apart tells nothing.
        if info.time > 0 && round_trip <= self.skew.max(self.timeout) {
            self.tokens.calibrate(index, info.time, now.before(age));
        }
        state::record_handshake(
            &self.states,
            index,
            state,
            info,
            now,
            self.guard,
            self.guard_time(),
        );
    }

    /// A node, or a server of one, may have forgotten locks just now.
    pub(crate) fn forget(&self, state: &NodeState, why: Forgot) {
        state.forget(why, self.now(), self.guard, self.guard_time());
    }

    /// There is more to announce: connections that are idle do so now.
    pub(crate) fn announce(&self) {
        self.connection_wakers.wake();
    }
}
