//! The nodes of a client, and the state that all of its connections share.

use std::{sync::Arc, time::Duration};

use tokio::runtime::Handle;

use super::{
    ConnectionWakers, Info, Lists, NodeState, Notifications, Optional, Outbox, Strict, Target,
    trust::{compare, known::Forgot},
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

/// The nodes of a client, and the state that all of its connections share.
#[derive(Debug)]
pub(crate) struct Nodes {
    pub(crate) targets: Vec<Target>,
    pub(crate) states: Arc<[Arc<NodeState>]>,
    pub(crate) lists: Arc<Lists>,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    /// Freezes the tasks of this client, if its nodes are in memory.
    pub(crate) freezer: Option<Arc<Freezer>>,
    pub(crate) tokens: TokenClock,
    pub(crate) guard: RestartGuard,
    pub(crate) max_ttl: Duration,
    pub(crate) skew: Duration,
    /// The time-out of an operation, and of a step of connecting.
    pub(crate) timeout: Duration,
    /// Set under the strict restart guard.
    pub(crate) strict: Option<Strict>,
    /// How long a fence is kept after the last acquire or extension.
    pub(crate) retention: Duration,
    /// The waiters of this process, to be notified.
    pub(crate) notifications: Arc<Notifications>,
    /// The prefix of all keys.
    #[cfg(feature = "cluster")]
    pub(crate) namespace: String,
    /// The prefix of the inboxes, which are channels.
    pub(crate) channel: String,
    pub(crate) connection_wakers: ConnectionWakers,
    /// Releases that no runtime has taken yet.
    pub(crate) outbox: Arc<Outbox>,
    /// The client's own thread for renewals, if it has one.
    pub(crate) background: Option<Background>,
}

impl Nodes {
    pub(crate) fn len(&self) -> usize {
        self.targets.len()
    }

    pub(crate) fn quorum(&self) -> usize {
        quorum(self.targets.len())
    }

    /// The time-out of the first contact: each step of connecting has a node time-out.
    pub(crate) fn contact_within(&self) -> Duration {
        const STEPS: u32 = 12;
        self.timeout.saturating_mul(STEPS)
    }

    /// Spawns a task that stops while the nodes in memory freeze their clients.
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

    /// Records what a new connection to node `index` learned about the server.
    pub(crate) fn record_handshake(&self, index: usize, state: &NodeState, info: &Info) {
        let now = self.now();
        let (age, round_trip) = info
            .answered
            .map_or_else(Default::default, |(at, trip)| (at.elapsed(), trip));
        // A reply that was delayed for longer than the clock skew says nothing about the clock.
        if info.time > 0 && round_trip <= self.skew.max(self.timeout) {
            self.tokens.calibrate(index, info.time, now.before(age));
        }
        if info.refuses(Optional::Time) {
            self.tokens.trust_this_machine(index, now);
        }
        compare::record_handshake(
            &self.states,
            index,
            state,
            info,
            now,
            self.guard,
            self.guard_time(),
        );
    }

    /// The node, or one of its servers, may have forgotten locks just now.
    pub(crate) fn forget(&self, state: &NodeState, why: Forgot) {
        state.forget(why, self.now(), self.guard, self.guard_time());
    }

    /// The node, or one of its servers, lost its data at this time, before this client met it.
    pub(crate) fn record_loss(&self, state: &NodeState, at: Instant) {
        if self.guard != RestartGuard::Off {
            compare::record_loss(&self.states, state, at, self.now(), self.guard_time());
        }
    }

    /// There is something to announce: idle connections announce it now.
    pub(crate) fn announce(&self) {
        self.connection_wakers.wake();
    }
}
