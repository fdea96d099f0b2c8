//! Permits of a semaphore: which one to ask for, and who gets one that is released.
//!
//! A permit is an exclusive lock with a key of its own, so its votes, its token and its release are those of a lock. What
//! is different is the choice. The first permit is drawn; beside the attempt the nodes are asked which permits are free, and
//! after a refusal the next one is drawn from those that are free on a majority. Counting permits instead, with any yes for
//! any permit, would be unsound: three clients could each win a majority of three nodes that have two permits each.
//!
//! A lease of a permit is handed over to the first local waiter of the semaphore, whichever permit it is. One waiter at a
//! time asks the nodes; once it has a permit, the next one does.

use std::{sync::Arc, time::Duration};

use super::{
    attempt::{Attempt, Failure},
    engine::Engine,
    request::AcquireRequest,
};
use crate::{
    command::{LookPermits, PermitState, Reply},
    core::Core,
    error::{Error, Result},
    key::Key,
    lease::{Grant, HandOverLimit, HoldOptions, Lease},
    node::{ConnectionSet, Nodes},
    round::fan_out::{Answer, Answers, fan_out},
};

/// How many permits an attempt asks for at most, one after the other, while some are free. At 16 permits with one of them
/// free, 3.5 are asked for on average.
const TRIES: u32 = 8;

/// A permit that was granted.
pub(super) struct Permit {
    pub(super) key: Arc<Key>,
    pub(super) grant: Grant,
}

/// What the nodes say of the permits.
enum Seen {
    /// Those that are free on a majority.
    Free(Vec<u16>),
    /// A majority knows another number of permits.
    Other(String),
}

/// One attempt: asks for one of `permits`, and for others while they are refused and some are free.
///
/// Cancel safe: what was asked for is rolled back.
pub(super) async fn attempt_permit(
    request: &AcquireRequest<'_>,
    permits: u16,
    attempt: Attempt<'_>,
    floor: &mut u64,
) -> Result<Result<Permit, Failure>> {
    let core = request.core();
    let begun = core.now();
    let mut number = draw(core, permits.into());
    let mut tries = 0;
    loop {
        tries += 1;
        let key = Arc::new(request.key.permit(number));
        let spent = core.now().saturating_since(begun);
        let attempt = Attempt {
            key: &key,
            within: (attempt.within.saturating_sub(spent)).max(attempt.within / 5),
            ..attempt
        };
        let (outcome, seen) = ask_and_look(request.key, permits, &attempt, floor).await;
        if let Some(Seen::Other(theirs)) = &seen {
            if let Ok(grant) = outcome {
                give_back(&key, &grant, &attempt);
            }
            let kept = core.nodes.max_ttl;
            return Err(Error::other_permits(request.name, permits, theirs, kept));
        }
        let failure = match outcome {
            Ok(grant) => return Ok(Ok(Permit { key, grant })),
            Err(failure) => permit_refused(failure),
        };
        match seen {
            Some(Seen::Free(free)) if failure.is_refused() && tries < TRIES && !free.is_empty() => {
                number = free[usize::from(draw(core, free.len()))];
            }
            _ => return Ok(Err(failure)),
        }
    }
}

/// A number below `end`.
fn draw(core: &Core, end: usize) -> u16 {
    let draw: u16 = core.nodes.random.draw();
    let end = u16::try_from(end.max(1)).unwrap_or(u16::MAX);
    draw % end
}

/// Asks for a permit, and beside that which permits are free: both are sent at once. `None` if too few nodes answered.
async fn ask_and_look(
    all: &Arc<Key>,
    permits: u16,
    attempt: &Attempt<'_>,
    floor: &mut u64,
) -> (Result<Grant, Failure>, Option<Seen>) {
    let nodes = &attempt.core.nodes;
    let look = look(nodes, attempt.connections, all, permits, attempt.within);
    let (outcome, answers) = futures_util::future::join(attempt.run(floor), look).await;
    (outcome, seen(&answers, permits, nodes.quorum()))
}

/// Releases a permit that cannot be kept.
fn give_back(key: &Arc<Key>, grant: &Grant, attempt: &Attempt<'_>) {
    let limit = HandOverLimit::LONGEST;
    let lease = Lease::new(
        attempt.core,
        attempt.connections,
        key,
        attempt.options,
        grant,
        limit,
    );
    if let Some(hold) = lease.start_hold(HoldOptions::default()) {
        // An error means that it has ended.
        let _ = hold.release(None, false);
    }
}

/// How many of `permits` are free on a majority of the nodes.
pub(crate) async fn available_permits(engine: &Engine, name: &str, permits: u16) -> Result<u32> {
    let core = &engine.core;
    core.open(Some(name))?;
    let (nodes, quorum) = (&core.nodes, core.nodes.quorum());
    let all = Arc::new(core.key(name)?.permits());
    let connections = core.connections()?;
    let answers = look(nodes, &connections, &all, permits, nodes.timeout).await;
    match seen(&answers, permits, quorum) {
        Some(Seen::Free(free)) => Ok(u32::try_from(free.len()).unwrap_or(u32::MAX)),
        Some(Seen::Other(theirs)) => {
            Err(Error::other_permits(name, permits, &theirs, nodes.max_ttl))
        }
        None => {
            let errors = answers.errors(nodes);
            let able = nodes.len() - errors.len();
            Err(Error::no_quorum(Some(name), able, quorum, errors))
        }
    }
}

/// Asks the nodes which permits are free, until a majority has answered.
async fn look(
    nodes: &Arc<Nodes>,
    connections: &ConnectionSet,
    all: &Arc<Key>,
    permits: u16,
    within: Duration,
) -> Answers {
    let quorum = nodes.quorum();
    let look = LookPermits {
        permits,
        kept: nodes.max_ttl,
    };
    let answered = |answers: &[&Answer]| {
        let answered = answers.iter();
        let answered = answered.filter(|answer| matches!(answer.reply, Reply::Permits(_)));
        answered.count() >= quorum
    };
    fan_out(
        nodes,
        connections,
        Arc::clone(all),
        look.into(),
        within,
        answered,
    )
    .await
}

/// A permit that cools down is refused like one that is held: another one may be free.
fn permit_refused(failure: Failure) -> Failure {
    match failure {
        Failure::CoolingDown { left } => Failure::Refused {
            free_in: Some(left),
            left: Some(left),
            by: None,
            split: false,
            notified: false,
        },
        failure => failure,
    }
}

fn seen(answers: &Answers, permits: u16, quorum: usize) -> Option<Seen> {
    let mut free_on = vec![0; usize::from(permits)];
    let mut others: Vec<&str> = Vec::new();
    let mut answered = 0;
    for answer in answers.done() {
        match &answer.reply {
            Reply::Permits(PermitState::Free(free)) => {
                answered += 1;
                for (nodes, is_free) in free_on.iter_mut().zip(free) {
                    *nodes += usize::from(*is_free);
                }
            }
            Reply::Permits(PermitState::Other(number)) => others.push(number),
            _ => {}
        }
    }
    if others.len() >= quorum {
        return others
            .first()
            .map(|number| Seen::Other((*number).to_owned()));
    }
    if answered < quorum {
        return None;
    }
    let free = (0..permits).filter(|number| free_on[usize::from(*number)] >= quorum);
    Some(Seen::Free(free.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(replies: Vec<PermitState>) -> Answers {
        let answer = |state| {
            Ok(Answer {
                latency: Duration::ZERO,
                reply: Reply::Permits(state),
                key_state: None,
            })
        };
        Answers(replies.into_iter().map(answer).collect())
    }

    #[test]
    fn a_permit_is_free_where_a_majority_says_so() {
        let free = |digits: &str| PermitState::Free(digits.bytes().map(|d| d == b'1').collect());
        let seen = seen(&answers(vec![free("110"), free("011"), free("000")]), 3, 2);
        assert!(matches!(seen, Some(Seen::Free(free)) if free == [1]));
    }

    #[test]
    fn another_number_counts_where_a_majority_knows_it() {
        let (other, free) = (
            PermitState::Other("5".to_owned()),
            PermitState::Free(vec![true]),
        );
        let split = answers(vec![other.clone(), free.clone(), free.clone()]);
        assert!(matches!(seen(&split, 1, 2), Some(Seen::Free(free)) if free == [0]));
        let majority = answers(vec![other.clone(), other, free]);
        assert!(matches!(seen(&majority, 1, 2), Some(Seen::Other(number)) if number == "5"));
    }
}
