//! Extensions: a lease continues if a majority says yes in one round, which ends before the validity of the lease does.

use std::sync::Arc;

use super::{Lease, state::Loss};
use crate::{
    command::Request,
    env::clock::Instant,
    error::{Error, Result},
    events::lock as events,
    lock_kind::Claim,
    quorum::{
        node_set::NodeSet,
        tally::{Decision, Rule, Tally},
    },
    round::{Plan, Round},
};

impl Lease {
    /// One extension, to the full ttl. Cancel safe: an extension that was sent may still be executed.
    pub(crate) async fn extend(self: &Arc<Self>) -> Result<()> {
        self.check_validity();
        if !self.is_open() {
            return Err(self.lost_error());
        }
        let started = self.core.now();
        let claim = self.claim();
        let round = self.send_extension(&claim)?;
        let node_timeout = self.core.node_timeout(self.options.ttl);
        let decision = round.decision(node_timeout.min(self.remaining())).await;
        round.withdraw();
        self.check_validity();
        let left = self.remaining();
        let extended = self.extended(&round, decision, started);
        if extended.is_ok() {
            self.tokens.confirm(claim.tokens);
            events::renewed(left);
        }
        extended
    }

    /// Sends the extension to every node, also to those that missed the acquire.
    fn send_extension(self: &Arc<Self>, claim: &Claim) -> Result<Arc<Round>> {
        let nodes = &self.core.nodes;
        let request = Request {
            key: Arc::clone(&self.key),
            command: self.options.kind.extend(claim, self.options.ttl),
        };
        let plan = Plan::new(request, Rule::Extend, NodeSet::all(nodes.len()));
        let round = Round::start(nodes, &*self.core.connections()?, plan);
        // Not a node that is known to be down: its release would be deferred for nothing.
        self.extended.add(round.with_tally(Tally::touched));
        if self.state.is_open() {
            return Ok(round);
        }
        // The lease ended while the extension was being sent: send its release again, behind the extension. A release
        // that waits for a body comes later anyway.
        if !self.releases_after_body() && !self.state.is_detached() {
            self.send_release(None);
        }
        Err(self.lost_error())
    }

    fn extended(
        self: &Arc<Self>,
        round: &Round,
        decision: Decision,
        started: Instant,
    ) -> Result<()> {
        match decision {
            // Still open: the old validity is not over yet.
            Decision::Won if self.is_open() => {
                self.raise_validity(started);
                Ok(())
            }
            Decision::Gone => {
                self.lose(Loss::Gone);
                Err(self.lost_error())
            }
            _ if !self.is_open() => Err(self.lost_error()),
            _ => Err(self.no_quorum(round)),
        }
    }

    pub(super) fn no_quorum(&self, round: &Round) -> Error {
        let nodes = &self.core.nodes;
        let (able, errors) = round.faults(&nodes.states);
        Error::no_quorum(Some(self.key.given()), able, nodes.quorum(), errors)
    }
}
