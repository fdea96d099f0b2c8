//! The exclusive lock: one holder at a time.

use std::{sync::Arc, time::Duration};

use super::{Claim, LockKind, cool_down, tombstone};
use crate::{
    command::{Acquire, Command, Extend, Inbox, LeaveWaitlist, Release},
    env::clock::Instant,
    key::Key,
};

/// The kind of [`Redlock::lock`](crate::Redlock::lock).
pub(crate) static EXCLUSIVE: &dyn LockKind = &Exclusive;

#[derive(Debug)]
struct Exclusive;

impl LockKind for Exclusive {
    fn name(&self) -> &'static str {
        "exclusive"
    }

    fn key(&self, key: Arc<Key>) -> Arc<Key> {
        key
    }

    fn other_side(&self, _: &Key) -> Option<Key> {
        None
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn leaves_intent(&self) -> bool {
        false
    }

    fn needs_fencing(&self) -> bool {
        false
    }

    fn may_ask_one_node_first(&self) -> bool {
        true
    }

    fn acquire(&self, claim: &Claim, ttl: Duration, inbox: Option<&Inbox>) -> Command {
        Acquire {
            owner: claim.owner,
            ttl,
            token: claim.tokens.first(),
            last: claim.tokens.last(),
            inbox: inbox.cloned(),
        }
        .into()
    }

    fn extend(&self, claim: &Claim, ttl: Duration) -> Command {
        Extend {
            owner: claim.owner,
            ttl,
            token: claim.tokens.last_confirmed(),
            last: claim.tokens.last(),
        }
        .into()
    }

    fn release(&self, claim: &Claim) -> Command {
        Release {
            owner: claim.owner,
            tombstone: tombstone(claim),
        }
        .into()
    }

    fn cool_down(&self, claim: &Claim, window: Duration, until: Instant) -> Command {
        cool_down(claim, window, until).into()
    }

    fn leave_waitlist(&self, inbox: &Inbox, by: String) -> Command {
        let inbox = Arc::clone(&inbox.name);
        LeaveWaitlist { inbox, by }.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{command::Owner, quorum::token_block::TokenBlock};

    #[test]
    fn a_release_leaves_a_tombstone_above_every_token_of_the_claim() {
        let claim = |tokens| Claim {
            owner: Owner::of([7; 16], None),
            tokens,
        };
        let tombstone_of = |tokens| match EXCLUSIVE.release(&claim(tokens)) {
            Command::Release(release) => release.tombstone,
            other => panic!("no release: {other:?}"),
        };
        assert_eq!(tombstone_of(TokenBlock::starting_at(10)), Some(266));
        assert_eq!(tombstone_of(TokenBlock::NONE), None);
    }
}
