//! A request for a lock: its options, after defaults and checks, and the time it has.

use std::{sync::Arc, time::Duration};

use super::{
    attempt::Failure,
    engine::Engine,
    waiter_limit::{WaiterLimit, WaiterSlot},
};
use crate::{
    core::Core,
    env::clock::Instant,
    error::{Error, NodeError, Result},
    fault::FaultKind,
    key::Key,
    lease::{HoldOptions, LeaseOptions},
    node::{ConnectionSet, NodeState},
};

#[derive(Debug)]
pub(crate) struct AcquireOptions {
    pub(crate) lease: LeaseOptions,
    pub(crate) hold: HoldOptions,
    /// How long to wait in all; zero for a request that does not wait.
    pub(crate) wait: Duration,
    /// Fail as soon as no quorum answers, even if there is time left to wait.
    pub(crate) fail_fast: bool,
    pub(crate) max_waiters: Option<WaiterLimit>,
}

#[derive(Debug)]
pub(crate) struct AcquireRequest<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) name: &'a str,
    /// For a permit: the key of all permits of the semaphore.
    pub(crate) key: &'a Arc<Key>,
    /// How many permits the semaphore has; `None` for a lock.
    pub(crate) permits: Option<u16>,
    pub(crate) options: &'a AcquireOptions,
    /// When the wait began.
    pub(crate) since: Instant,
}

impl AcquireRequest<'_> {
    pub(super) fn core(&self) -> &Arc<Core> {
        &self.engine.core
    }

    pub(super) fn waits(&self) -> bool {
        !self.options.wait.is_zero()
    }

    /// What is left of the wait.
    pub(super) fn left(&self) -> Duration {
        if !self.waits() {
            return Duration::ZERO;
        }
        let waited = self.core().now().saturating_since(self.since);
        self.options.wait.saturating_sub(waited)
    }

    pub(super) fn node_timeout(&self) -> Duration {
        self.core().node_timeout(self.options.lease.ttl)
    }

    /// Waits until a client that was just built has tried to reach its nodes. Even a very short wait has a node time-out for
    /// this, so that it is not refused what `no_wait` would be granted.
    pub(super) async fn meet_nodes(&self) -> Result<Arc<ConnectionSet>> {
        let core = self.core();
        core.open(Some(self.name))?;
        let within = match self.waits() {
            true => self.left().max(core.nodes.timeout),
            false => core.nodes.contact_within(),
        };
        let connections = core.connections()?;
        connections.first_contact(&core.nodes, within).await;
        Ok(connections)
    }

    /// Counts the request as waiting from now on, if there is a limit.
    pub(super) fn begin_to_wait(&self, slot: &mut Option<WaiterSlot>) -> Result<()> {
        if let (Some(limit), None) = (&self.options.max_waiters, &slot) {
            let entered = limit.enter(self.name, self.options.lease.newest_wins);
            *slot = Some(entered.ok_or_else(|| Error::too_many_waiters(self.name))?);
        }
        Ok(())
    }

    /// The failure of an attempt that `waited` for its admission in vain.
    pub(super) fn overloaded(&self, waited: Duration) -> Failure {
        let text = format!(
            "{} attempts of this client are in flight, and none of them ended within {} ms",
            self.engine.admission.limit(),
            waited.as_millis()
        );
        let error =
            |node: &Arc<NodeState>| NodeError::new(node.name(), FaultKind::Backlog, text.clone());
        Failure::NoQuorum {
            able: 0,
            errors: self.core().nodes.states.iter().map(error).collect(),
        }
    }

    /// The error that `failure` is for the other requests of this process for the key, if no quorum could vote.
    pub(super) fn outage(&self, failure: &Failure) -> Option<Error> {
        let Failure::NoQuorum { able, errors } = failure else {
            return None;
        };
        let quorum = self.core().nodes.quorum();
        Some(Error::no_quorum(
            Some(self.name),
            *able,
            quorum,
            errors.clone(),
        ))
    }

    pub(super) fn error(&self, failure: Failure) -> Error {
        match failure {
            Failure::Refused { left, by, .. } if self.waits() => {
                Error::timed_out(self.name, self.options.wait, left, by)
            }
            Failure::Refused { left, by, .. } => Error::busy(self.name, left, by),
            Failure::CoolingDown { left } => Error::cooling_down(self.name, left),
            Failure::NoQuorum { able, errors } => {
                Error::no_quorum(Some(self.name), able, self.core().nodes.quorum(), errors)
            }
            Failure::Expired { took } => Error::expired(self.name, self.options.lease.ttl, took),
            Failure::NoToken => Error::no_token(self.name),
            Failure::NoRandomness => Error::no_randomness(self.name),
        }
    }
}
