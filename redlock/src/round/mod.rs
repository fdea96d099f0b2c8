//! A round: one call to some nodes, and the decision that their votes make.

pub(crate) mod acquire;
pub(crate) mod ask;
pub(crate) mod extend;
pub(crate) mod release;

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Poll, Waker},
    time::Duration,
};

use crate::{
    error::NodeError,
    node::{Ballot, Call, Driver, FaultKind, NodeState, Op, Reply, Sight},
    pending::Pending,
    protocol::votes::{Decision, NodeSet, Question, Tally},
    sync::lock,
};

/// One call on its way to the nodes. Votes are counted where they arrive; whoever waits is woken once.
pub(crate) struct Round {
    call: Call,
    given_up: AtomicBool,
    votes: Mutex<Votes>,
    /// Held by what must be delivered before a client is closed.
    _pending: Option<Pending>,
}

struct Votes {
    tally: Tally,
    sights: Vec<(usize, Sight)>,
    waker: Option<Waker>,
}

impl Round {
    /// Sends `call` to `targets`. `settled` nodes count as having said yes.
    pub(crate) fn start(
        driver: &Driver,
        nodes: usize,
        call: Call,
        question: Question,
        targets: NodeSet,
        settled: NodeSet,
        pending: Option<Pending>,
    ) -> Arc<Self> {
        let mut tally = Tally::new(nodes, question);
        for node in settled.iter() {
            tally.record(node, Reply::Yes);
        }
        let round = Arc::new(Self {
            call,
            given_up: AtomicBool::new(false),
            votes: Mutex::new(Votes {
                tally,
                sights: Vec::new(),
                waker: None,
            }),
            _pending: pending,
        });
        for node in targets.iter() {
            driver.submit(Op {
                ballot: Arc::clone(&round) as Arc<dyn Ballot>,
                node,
            });
        }
        round
    }

    /// Waits for the decision, at most this long. Cancel safe: the round goes on, and can be waited for again.
    pub(crate) async fn decided(&self, within: Duration) -> Decision {
        let decision = poll_fn(|cx| {
            let mut votes = lock(&self.votes);
            match votes.tally.decision() {
                Some(decision) => Poll::Ready(decision),
                None => {
                    if !votes
                        .waker
                        .as_ref()
                        .is_some_and(|waker| waker.will_wake(cx.waker()))
                    {
                        votes.waker = Some(cx.waker().clone());
                    }
                    Poll::Pending
                }
            }
        });
        match tokio::time::timeout(within, decision).await {
            Ok(decision) => decision,
            Err(_) => lock(&self.votes).tally.decision_at_deadline(),
        }
    }

    /// What has not been sent yet need not be.
    pub(crate) fn give_up(&self) {
        self.given_up.store(true, Relaxed);
    }

    pub(crate) fn with_tally<T>(&self, read: impl FnOnce(&Tally) -> T) -> T {
        read(&lock(&self.votes).tally)
    }

    pub(crate) fn sights(&self) -> Vec<(usize, Sight)> {
        lock(&self.votes).sights.clone()
    }

    /// Each node without a vote so far, with its cause.
    pub(crate) fn node_errors(&self, states: &[Arc<NodeState>]) -> Vec<NodeError> {
        self.with_tally(|tally| {
            let name = |node: usize| states.get(node).map_or("?", |state| state.name());
            let faults = tally
                .faults()
                .iter()
                .map(|(node, fault)| NodeError::new(name(*node), fault.kind, fault.text.clone()));
            let silent = tally.silent().map(|node| {
                NodeError::new(name(node), FaultKind::TimedOut, "had not answered yet")
            });
            faults.chain(silent).collect()
        })
    }
}

impl Ballot for Round {
    fn call(&self) -> &Call {
        &self.call
    }

    fn wanted(&self) -> bool {
        !self.given_up.load(Relaxed)
    }

    fn vote(&self, node: usize, reply: Reply) {
        let waker = {
            let mut votes = lock(&self.votes);
            votes.tally.record(node, reply);
            match votes.tally.decision() {
                Some(_) => votes.waker.take(),
                None => None,
            }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn saw(&self, node: usize, sight: Sight) {
        lock(&self.votes).sights.push((node, sight));
    }
}

impl std::fmt::Debug for Round {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Round")
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}
