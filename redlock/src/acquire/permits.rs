//! Permits of a semaphore: which permit to request, and who gets a released one.
//!
//! A permit is an exclusive lock with its own key, so its votes, its token and its release are those of a lock. Only the choice
//! is different. The first attempt is for a random permit, and asks the nodes at the same time which permits are free. After a
//! refusal, the next attempt is for a random one of those that are free on a majority. Counting permits instead, where a yes for
//! any permit counts, would be unsound: with three nodes and two permits, three clients could each win a majority.
//!
//! A lease of any permit is handed over to the first local waiter of the semaphore. One waiter at a time asks the nodes; when
//! it has a permit, the next one does.

use std::{sync::Arc, time::Duration};

use super::{
    attempt::{Attempt, Failure},
    engine::Engine,
    request::AcquireRequest,
};
use crate::{
    command::{LookPermits, PermitState, Reply},
    core::Core,
    env::pending::Pending,
    error::{Error, Result},
    fault::{Fault, FaultKind},
    key::Key,
    lease::{Grant, HandOverLimit, HoldOptions, Lease, Window},
    node::{ConnectionSet, Nodes},
    round::fan_out::{Answer, Answers, fan_out},
};

/// Maximum number of permits that an attempt requests, one after the other, while some are free. With 16 permits of which one is
/// free, the average is 3.5.
const TRIES: u32 = 8;

/// A permit that was granted.
pub(super) struct Permit {
    pub(super) key: Arc<Key>,
    pub(super) grant: Grant,
}

/// The permits as a majority of the nodes sees them.
enum Seen {
    /// Those that are free on a majority.
    Free(Vec<u16>),
    /// A majority remembers a different number of permits.
    Other(String),
    /// On a majority, another program has written to the key of the number.
    Foreign,
}

/// One attempt: requests one of `permits`, and after a refusal others, while some are free.
///
/// Cancel safe: requested permits are rolled back.
pub(super) async fn attempt_permit(
    request: &AcquireRequest<'_>,
    permits: u16,
    attempt: Attempt<'_>,
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
        let (outcome, seen) = ask_and_look(request.key, permits, &attempt).await;
        if let Some(Seen::Other(theirs)) = &seen {
            let kept = core.nodes.max_ttl;
            return Err(Error::other_permits(request.name, permits, theirs, kept));
        }
        let failure = match outcome {
            Ok(granted) => {
                let grant = granted.keep();
                let key = Arc::clone(&key);
                return Ok(Ok(Permit { key, grant }));
            }
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

/// A random number below `end`.
fn draw(core: &Core, end: usize) -> u16 {
    let draw: u16 = core.nodes.random.draw();
    let end = u16::try_from(end.max(1)).unwrap_or(u16::MAX);
    draw % end
}

/// Requests a permit, and asks at the same time which permits are free. The second value is `None` if too few nodes reported
/// their free permits.
async fn ask_and_look<'a>(
    all: &Arc<Key>,
    permits: u16,
    attempt: &'a Attempt<'a>,
) -> (Result<Granted<'a>, Failure>, Option<Seen>) {
    let nodes = &attempt.core.nodes;
    // The fences of other permits say nothing about this one.
    let mut floor = 0;
    let look = look(nodes, attempt.connections, all, permits, attempt.within);
    let ask = async {
        let grant = attempt.run(&mut floor).await?;
        Ok(Granted::new(attempt, grant))
    };
    let (outcome, answers) = futures_util::future::join(ask, look).await;
    let seen = seen(&answers, permits, nodes.quorum());
    if !matches!(seen, Some(Seen::Foreign)) {
        return (outcome, seen);
    }
    let errors = answers.errors(nodes);
    let able = nodes.len() - errors.len();
    (Err(Failure::NoQuorum { able, errors }), seen)
}

/// A permit that was granted while the nodes were still asked which ones are free. Dropped: it is released.
struct Granted<'a> {
    attempt: &'a Attempt<'a>,
    grant: Grant,
    is_kept: bool,
    /// Closing the client waits for it.
    _acquiring: Pending,
}

impl<'a> Granted<'a> {
    fn new(attempt: &'a Attempt<'a>, grant: Grant) -> Self {
        Self {
            attempt,
            grant,
            is_kept: false,
            _acquiring: attempt.core.acquiring.begin(),
        }
    }

    fn keep(mut self) -> Grant {
        self.is_kept = true;
        self.grant.clone()
    }
}

impl Drop for Granted<'_> {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        let Attempt {
            core,
            connections,
            key,
            options,
            ..
        } = *self.attempt;
        let limit = HandOverLimit::LONGEST;
        let lease = Lease::new(core, connections, key, options, &self.grant, limit);
        match lease.start_hold(HoldOptions::default()) {
            // An error means that the hold has ended.
            Some(hold) => drop(hold.release(Window::RestOfAtLeast, false)),
            None => lease.check_validity(),
        }
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
        Some(Seen::Foreign) | None => {
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

/// Turns the refusal of one permit into one of the semaphore. Another permit may be free earlier, without a notification if its
/// holder has crashed, so the request asks again after a while. A permit in its cool-down counts as held.
fn permit_refused(failure: Failure) -> Failure {
    match failure {
        Failure::CoolingDown { left } => Failure::Refused {
            free_in: Some(left),
            left: Some(left),
            by: None,
            split: false,
            notified: false,
        },
        Failure::Refused {
            free_in,
            left,
            by,
            split,
            notified: _,
        } => Failure::Refused {
            free_in,
            left,
            by,
            split,
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
    let foreign = |answer: &&Result<Answer, Fault>| {
        let fault = answer.as_ref().err();
        fault.is_some_and(|fault| fault.kind == FaultKind::WrongType)
    };
    if answers.0.iter().filter(foreign).count() >= quorum {
        return Some(Seen::Foreign);
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
            })
        };
        Answers(replies.into_iter().map(answer).collect())
    }

    #[test]
    fn a_permit_is_free_if_it_is_free_on_a_majority() {
        let free = |digits: &str| PermitState::Free(digits.bytes().map(|d| d == b'1').collect());
        let seen = seen(&answers(vec![free("110"), free("011"), free("000")]), 3, 2);
        assert!(matches!(seen, Some(Seen::Free(free)) if free == [1]));
    }

    #[test]
    fn a_different_number_of_permits_is_reported_if_a_majority_remembers_it() {
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
