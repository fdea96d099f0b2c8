//! Kinds of lock: the commands by which the quorum algorithm acquires, extends and releases one.
//!
//! Attempts, leases and rollbacks are the same for every kind. A kind defines which commands they
//! send. A command defines how its replies are decoded as votes, and whether a yes needs a node
//! that has forgotten nothing. So a new kind is a file beside [`exclusive`], the commands that it
//! sends, and a row in `LockOptions::kinds`.

pub(crate) mod exclusive;
pub(crate) mod read_write;

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    command::{Command, CoolDown, Inbox, Owner},
    env::clock::Instant,
    key::Key,
    quorum::token_block::TokenBlock,
};

/// A kind, for the options of a lock. A reference to a reference is half as large as the one that it refers to.
pub(crate) type Kind = &'static &'static dyn LockKind;

/// A kind of lock, without state of its own.
pub(crate) trait LockKind: fmt::Debug + Send + Sync {
    /// Two kinds with the same name are the same. Requests for several locks acquire those with the same key in the order of
    /// the names of their kinds, so a name never changes.
    fn name(&self) -> &'static str;

    /// What the lock of this kind named `key` is stored under.
    fn key(&self, key: Arc<Key>) -> Arc<Key>;

    /// What the other side is stored under, for a lock with two sides. A task that holds the other side would wait for
    /// itself if it requested this one.
    fn other_side(&self, key: &Key) -> Option<Key>;

    /// Whether holders do not keep each other out, so that those of one process share a hold.
    fn is_shared(&self) -> bool;

    /// Whether a waiter that a node refuses keeps others out there while it waits.
    fn leaves_intent(&self) -> bool;

    /// Whether the lock has tokens even with `fencing(false)`, since its holders exclude each other by them.
    fn needs_fencing(&self) -> bool;

    /// Whether contenders may ask one node first to break ties. Not if holders share the lock, since the refusal of one node says
    /// nothing about the others then, and not if a waiter has to leave its intent on a majority.
    fn may_ask_one_node_first(&self) -> bool;

    /// Writes the claim if the key is free and the first token is above the fence. With an inbox,
    /// joins the waitlist if the key is not free.
    fn acquire(&self, claim: &Claim, ttl: Duration, inbox: Option<&Inbox>) -> Command;

    /// Raises the remaining time of the claim to `ttl`.
    fn extend(&self, claim: &Claim, ttl: Duration) -> Command;

    /// Deletes the claim. With fencing, also rejects what was sent for the claim before and arrives
    /// later.
    fn release(&self, claim: &Claim) -> Command;

    /// Like [`release`](Self::release), but keeps the key busy for `window`, which ends at `until`.
    fn cool_down(&self, claim: &Claim, window: Duration, until: Instant) -> Command;

    /// Removes this process from the waitlist, and passes on the release by `by` that it was notified of, if there is one.
    fn leave_waitlist(&self, inbox: &Inbox, by: String) -> Command;
}

impl PartialEq for dyn LockKind {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for dyn LockKind {}

/// A claim of a lock: an owner that is unique to the attempt, and the tokens it proposes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    pub(crate) owner: Owner,
    pub(crate) tokens: TokenBlock,
}

/// The fence that a release leaves: above every token of the claim, and below what the next holder proposes.
fn tombstone(claim: &Claim) -> Option<u64> {
    Some(claim.tokens.last()?.saturating_add(1))
}

/// Keeps the key of an exclusive claim busy for `window`, which ends at `until`.
fn cool_down(claim: &Claim, window: Duration, until: Instant) -> CoolDown {
    CoolDown {
        owner: claim.owner,
        next: claim.owner.cool_down(),
        window,
        until,
        of_writer: false,
        is_rest: false,
        tombstone: tombstone(claim),
    }
}
