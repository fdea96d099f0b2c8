//! The two sides of a read/write lock: any number of readers, or one writer.

use std::{sync::Arc, time::Duration};

use super::{Claim, LockKind, cool_down, tombstone};
use crate::{
    command::{
        AcquireRead, AcquireWrite, Command, ExtendRead, ExtendWrite, Inbox, LeaveWaitlist,
        LeaveWrite, ReleaseRead, ReleaseWrite,
    },
    env::clock::Instant,
    key::Key,
};

/// The kind of [`RwLock::read`](crate::RwLock::read).
pub(crate) static READ: &dyn LockKind = &Read;
/// The kind of [`RwLock::write`](crate::RwLock::write).
pub(crate) static WRITE: &dyn LockKind = &Write;

#[derive(Debug)]
struct Read;

#[derive(Debug)]
struct Write;

impl LockKind for Read {
    fn name(&self) -> &'static str {
        "read"
    }

    fn key(&self, key: Arc<Key>) -> Arc<Key> {
        Arc::new(key.readers())
    }

    fn other_side(&self, key: &Key) -> Option<Key> {
        Some(key.writer())
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn acquire(&self, claim: &Claim, ttl: Duration, inbox: Option<&Inbox>) -> Command {
        AcquireRead {
            owner: claim.owner,
            ttl,
            token: claim.tokens.first().unwrap_or_default(),
            inbox: inbox.cloned(),
        }
        .into()
    }

    fn extend(&self, claim: &Claim, ttl: Duration) -> Command {
        ExtendRead {
            owner: claim.owner,
            ttl,
            token: claim.tokens.last().unwrap_or_default(),
        }
        .into()
    }

    fn release(&self, claim: &Claim) -> Command {
        ReleaseRead {
            owner: claim.owner,
            tombstone: tombstone(claim).unwrap_or_default(),
        }
        .into()
    }

    /// Requests and guards refuse a cool-down of a reader, which would keep nobody out.
    fn cool_down(&self, claim: &Claim, _: Duration, _: Instant) -> Command {
        self.release(claim)
    }

    fn leave_waitlist(&self, inbox: Arc<str>, by: String) -> Command {
        LeaveWaitlist { inbox, by }.into()
    }
}

impl LockKind for Write {
    fn name(&self) -> &'static str {
        "write"
    }

    fn key(&self, key: Arc<Key>) -> Arc<Key> {
        Arc::new(key.writer())
    }

    fn other_side(&self, key: &Key) -> Option<Key> {
        Some(key.readers())
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn acquire(&self, claim: &Claim, ttl: Duration, inbox: Option<&Inbox>) -> Command {
        AcquireWrite {
            owner: claim.owner,
            ttl,
            token: claim.tokens.first().unwrap_or_default(),
            last: claim.tokens.last().unwrap_or_default(),
            inbox: inbox.cloned(),
        }
        .into()
    }

    fn extend(&self, claim: &Claim, ttl: Duration) -> Command {
        ExtendWrite {
            owner: claim.owner,
            ttl,
            token: claim.tokens.last().unwrap_or_default(),
        }
        .into()
    }

    fn release(&self, claim: &Claim) -> Command {
        ReleaseWrite {
            owner: claim.owner,
            tombstone: tombstone(claim).unwrap_or_default(),
        }
        .into()
    }

    /// As that of an exclusive lock: a writer without a holder keeps out readers too.
    fn cool_down(&self, claim: &Claim, window: Duration, until: Instant) -> Command {
        cool_down(claim, window, until)
    }

    fn leave_waitlist(&self, inbox: Arc<str>, by: String) -> Command {
        LeaveWrite { inbox, by }.into()
    }
}
