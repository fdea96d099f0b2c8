//! The two sides of a read/write lock: any number of readers, or one writer.

use std::{sync::Arc, time::Duration};

use super::{Claim, LockKind, cool_down, tombstone};
use crate::{
    command::{
        AcquireSide, Command, CoolDown, ExtendSide, Inbox, LeaveWaitlist, LeaveWrite, ReleaseSide,
        Side,
    },
    env::clock::Instant,
    key::Key,
};

/// The kind of [`RwLock::read`](crate::RwLock::read).
pub(crate) static READ: &dyn LockKind = &ReadWrite(Side::Read);
/// The kind of [`RwLock::write`](crate::RwLock::write).
pub(crate) static WRITE: &dyn LockKind = &ReadWrite(Side::Write);

#[derive(Debug)]
struct ReadWrite(Side);

impl LockKind for ReadWrite {
    fn name(&self) -> &'static str {
        match self.0 {
            Side::Read => "read",
            Side::Write => "write",
        }
    }

    fn key(&self, key: Arc<Key>) -> Arc<Key> {
        Arc::new(self.0.key(&key))
    }

    fn other_side(&self, key: &Key) -> Option<Key> {
        Some(self.0.other().key(key))
    }

    fn is_shared(&self) -> bool {
        self.0 == Side::Read
    }

    fn leaves_intent(&self) -> bool {
        self.0 == Side::Write
    }

    fn needs_fencing(&self) -> bool {
        true
    }

    fn may_ask_one_node_first(&self) -> bool {
        false
    }

    fn acquire(&self, claim: &Claim, ttl: Duration, inbox: Option<&Inbox>) -> Command {
        AcquireSide {
            side: self.0,
            owner: claim.owner,
            ttl,
            token: claim.tokens.first().unwrap_or_default(),
            last: claim.tokens.last().unwrap_or_default(),
            inbox: inbox.cloned(),
        }
        .into()
    }

    fn extend(&self, claim: &Claim, ttl: Duration) -> Command {
        ExtendSide {
            side: self.0,
            owner: claim.owner,
            ttl,
            token: claim.tokens.last_confirmed().unwrap_or_default(),
            last: claim.tokens.last().unwrap_or_default(),
        }
        .into()
    }

    fn release(&self, claim: &Claim) -> Command {
        ReleaseSide {
            side: self.0,
            owner: claim.owner,
            tombstone: tombstone(claim).unwrap_or_default(),
        }
        .into()
    }

    /// A writer without a holder keeps out readers too. Requests and guards refuse the cool-down of a reader, which would
    /// keep nobody out.
    fn cool_down(&self, claim: &Claim, window: Duration, until: Instant) -> Command {
        match self.0 {
            Side::Read => self.release(claim),
            Side::Write => CoolDown {
                of_writer: true,
                ..cool_down(claim, window, until)
            }
            .into(),
        }
    }

    fn leave_waitlist(&self, inbox: &Inbox, by: String) -> Command {
        match self.0 {
            Side::Read => {
                let inbox = Arc::clone(&inbox.name);
                LeaveWaitlist { inbox, by }.into()
            }
            Side::Write => {
                let inbox = inbox.clone();
                LeaveWrite { inbox, by }.into()
            }
        }
    }
}
