//! Rollback: releases whatever an attempt may have written, unless the attempt won. An adoption that won releases what is left
//! of the detached lock.

use std::sync::Arc;

use crate::{
    command::{Adopt, Command, GiveBack, Inbox, Owner, Request},
    core::Core,
    env::{clock::Instant, pending::Pending},
    events::lock as events,
    key::Key,
    lease::{LeaseOptions, Release},
    lock_kind::Claim,
    node::ConnectionSet,
    quorum::{
        node_set::NodeSet,
        tally::{Rule, Tally},
        token_block::TokenBlock,
    },
    round::{Plan, Round},
};

/// A lock that was detached, as its ticket names it.
#[derive(Clone, Copy, Debug)]
pub(in crate::acquire) struct Adoption {
    pub(in crate::acquire) owner: Owner,
    /// The highest token of the detached hold.
    pub(in crate::acquire) token: u64,
    /// When its ticket expires.
    pub(in crate::acquire) until: Instant,
}

/// The rounds of one attempt. Dropping it rolls them back, and the attempt may be dropped at any of its awaits.
pub(super) struct Rollback<'a> {
    core: &'a Core,
    connections: &'a ConnectionSet,
    key: &'a Arc<Key>,
    options: LeaseOptions,
    adopts: Option<Adoption>,
    /// With the tokens of the last round.
    claim: Claim,
    /// Nodes that may hold the claim from rounds before the last.
    earlier: NodeSet,
    /// The last round; `None` before the first, and once the attempt has won.
    round: Option<Arc<Round>>,
    /// The nodes that the last round was sent to.
    asked: NodeSet,
    /// Closing the client waits for it. Dropped after the rollback was sent.
    _acquiring: Pending,
}

impl<'a> Rollback<'a> {
    pub(super) fn new(
        core: &'a Core,
        connections: &'a ConnectionSet,
        key: &'a Arc<Key>,
        options: LeaseOptions,
        owner: Owner,
        adopts: Option<Adoption>,
    ) -> Self {
        let tokens = TokenBlock::NONE;
        Self {
            core,
            connections,
            key,
            options,
            adopts,
            claim: Claim { owner, tokens },
            earlier: NodeSet::default(),
            round: None,
            asked: NodeSet::default(),
            _acquiring: core.acquiring.begin(),
        }
    }

    pub(super) fn start_round(
        &mut self,
        tokens: TokenBlock,
        inbox: Option<&Inbox>,
        targets: NodeSet,
    ) -> Arc<Round> {
        if let Some(round) = self.round.take() {
            round.withdraw();
            self.earlier = self.earlier.union(self.touched(&round));
        }
        self.claim.tokens = tokens;
        self.asked = targets;
        let request = Request {
            key: Arc::clone(self.key),
            command: self.acquire(inbox),
        };
        let plan = Plan::new(request, Rule::Acquire, targets);
        let round = Round::start(&self.core.nodes, self.connections, plan);
        self.round = Some(Arc::clone(&round));
        round
    }

    fn acquire(&self, inbox: Option<&Inbox>) -> Command {
        let LeaseOptions { kind, ttl, .. } = self.options;
        match self.adopts {
            None => kind.acquire(&self.claim, ttl, inbox),
            Some(from) => Adopt {
                owner: self.claim.owner,
                ttl,
                token: self.last_token(),
                from: from.owner,
                from_token: from.token,
            }
            .into(),
        }
    }

    /// Gives a lock that could not be adopted back to its ticket, in the background.
    fn give_back(&self, to: Adoption, touched: NodeSet) {
        let nodes = &self.core.nodes;
        let give_back = GiveBack {
            owner: self.claim.owner,
            to: to.owner,
            left: to.until.saturating_since(nodes.now()),
            until: to.until,
            tombstone: self.last_token().saturating_add(1),
        };
        let request = Request {
            key: Arc::clone(self.key),
            command: give_back.into(),
        };
        let mut plan = Plan::new(request, Rule::Confirm, touched);
        plan.assumed_yes = NodeSet::all(nodes.len()).difference(touched);
        plan.pending = Some(self.core.tracker.begin());
        Round::start(nodes, self.connections, plan);
    }

    /// Sends the last round to those of `nodes` that have not got it yet.
    pub(super) fn send_to(&mut self, round: &Arc<Round>, nodes: NodeSet) {
        let further = nodes.difference(self.asked);
        self.asked = self.asked.union(nodes);
        round.send(self.connections, further);
    }

    /// The highest token proposed so far; 0 without fencing.
    pub(super) fn last_token(&self) -> u64 {
        self.claim.tokens.last().unwrap_or(0)
    }

    /// Keeps what was written, because the attempt has won. If it was an adoption, releases what is left of the detached lock.
    /// Returns the claim, and the nodes that may hold it from earlier rounds.
    pub(super) fn disarm(&mut self) -> (Claim, NodeSet) {
        let round = self.round.take();
        if let (Some(from), Some(round)) = (self.adopts, round) {
            self.release_detached(from, &round);
        }
        (self.claim, self.earlier)
    }

    /// Releases the detached lock on the nodes that have not confirmed its adoption, in the background: they would keep it until
    /// its ttl is over, since the adopter releases its own claim only.
    fn release_detached(&self, from: Adoption, round: &Round) {
        let nodes = &self.core.nodes;
        let adopted = round.with_tally(Tally::yes);
        let release = Release {
            key: Arc::clone(self.key),
            options: self.options,
            claim: Claim {
                owner: from.owner,
                tokens: TokenBlock::single(from.token),
            },
            touched: NodeSet::all(nodes.len()).difference(adopted),
        };
        if release.touched.len() > 0 {
            release.send(nodes, self.connections, &self.core.tracker);
        }
    }

    /// A node that was never asked holds nothing.
    fn touched(&self, round: &Round) -> NodeSet {
        round.with_tally(Tally::touched).intersection(self.asked)
    }
}

impl Drop for Rollback<'_> {
    fn drop(&mut self) {
        let Some(round) = self.round.take() else {
            return;
        };
        round.withdraw();
        let touched = self.earlier.union(self.touched(&round));
        if touched.len() == 0 {
            return;
        }
        events::rolled_back(self.key, touched.len());
        if let Some(from) = self.adopts {
            return self.give_back(from, touched);
        }
        let release = Release {
            key: Arc::clone(self.key),
            options: self.options,
            claim: self.claim,
            touched,
        };
        // Delivered in the background.
        release.send(&self.core.nodes, self.connections, &self.core.tracker);
    }
}
