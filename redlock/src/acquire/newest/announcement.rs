//! The announcement of a request to the nodes: under which number they know it, and whether it is the newest.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use super::{
    super::{attempt::meet_prerequisites, request::AcquireRequest},
    watch::Newer,
};
use crate::{
    command::{Preempt, Request},
    core::Core,
    error::{Error, Result},
    key::Key,
    node::{ConnectionSet, Preemptible},
    quorum::{
        backoff::{self, Refusal, WakeUp},
        node_set::NodeSet,
        tally::{Decision, Rule},
    },
    round::{Plan, Round},
};

/// How often a request takes a higher number. Each time, another one was announced meanwhile.
const NUMBERS: u32 = 8;

/// A request that a majority of the nodes knows. Dropped: it has ended.
#[derive(Debug)]
pub(super) struct Announcement {
    core: Arc<Core>,
    key: Arc<Key>,
    name: String,
    preemptible: Preemptible,
    inbox: Arc<str>,
    number: u64,
    node_timeout: Duration,
}

impl Announcement {
    /// Announces a request. The older ones of this process end at once.
    pub(super) async fn new(request: &AcquireRequest<'_>) -> Result<Self> {
        let core = request.core();
        let nodes = &core.nodes;
        let connections = meet(request).await?;
        let mut new = Self {
            core: Arc::clone(core),
            key: Arc::clone(request.key),
            name: request.name.to_owned(),
            preemptible: nodes.notifications.preemptible(request.key.lock()),
            inbox: Arc::clone(connections.inbox()),
            number: 0,
            node_timeout: request.node_timeout(),
        };
        for _ in 0..NUMBERS {
            let proposed = nodes.tokens.propose(nodes.now(), new.number);
            let proposed = proposed.ok_or_else(|| Error::no_token(request.name))?;
            new.number = new.preemptible.number(proposed);
            match new.ask_until_answered(request).await? {
                None => {
                    new.preemptible.announced(new.number);
                    return Ok(new);
                }
                Some(newer) => new.number = new.number.max(newer),
            }
        }
        Err(Error::superseded(request.name))
    }

    /// Completes when a newer request was announced, as far as this process was notified. Cancel safe.
    pub(super) async fn superseded(&self) {
        self.preemptible.superseded().await;
    }

    /// Announces the request again, under the same number: it still is the newest, or superseded.
    pub(super) async fn confirm(&self, request: &AcquireRequest<'_>) -> Result<()> {
        match self.ask_until_answered(request).await? {
            None => Ok(()),
            Some(_) => Err(Error::superseded(request.name)),
        }
    }

    /// Whether the nodes know a newer request after this time, as a lost notification would have said.
    async fn is_outdated_after(&self, time: Duration) -> bool {
        tokio::time::sleep(time).await;
        // An error says nothing about newer requests. If the lock is at risk, its renewal notices it.
        matches!(self.ask().await, Ok(Some(_)))
    }

    /// Asks again while too few nodes answer, until the wait is over.
    async fn ask_until_answered(&self, request: &AcquireRequest<'_>) -> Result<Option<u64>> {
        let mut failed = 0;
        loop {
            match self.ask().await {
                Ok(newer) => return Ok(newer),
                Err(error) => pause(request, &mut failed, error).await?,
            }
        }
    }

    /// Announces the request to the nodes. Returns the number of a newer one, if they know one.
    async fn ask(&self) -> Result<Option<u64>> {
        let nodes = &self.core.nodes;
        let command = Preempt {
            since: self.number,
            inbox: Arc::clone(&self.inbox),
        };
        let request = Request {
            key: Arc::clone(&self.key),
            command: command.into(),
        };
        let plan = Plan::new(request, Rule::Acquire, NodeSet::all(nodes.len()));
        let round = Round::start(nodes, &*self.core.connections()?, plan);
        let decision = round.decision(self.node_timeout).await;
        round.withdraw();
        match decision {
            Decision::Won => Ok(None),
            Decision::Stale => Ok(Some(round.with_tally(|tally| tally.fence))),
            Decision::Refused | Decision::Gone | Decision::NoQuorum => {
                let (able, errors) = round.faults(&nodes.states);
                let quorum = nodes.quorum();
                let name = Some(self.name.as_str());
                Err(Error::no_quorum(name, able, quorum, errors))
            }
        }
    }
}

impl Newer for Announcement {
    fn announced(&self, every: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            loop {
                tokio::select! {
                    biased;
                    () = self.superseded() => return,
                    is_outdated = self.is_outdated_after(every) => if is_outdated {
                        return;
                    },
                }
            }
        })
    }
}

/// Meets the nodes, as the first attempt of any other request does.
async fn meet(request: &AcquireRequest<'_>) -> Result<Arc<ConnectionSet>> {
    let core = request.core();
    let left = || request.left().max(core.nodes.timeout);
    let mut failed = 0;
    loop {
        let connections = request.meet_nodes().await?;
        match meet_prerequisites(core, &connections, request.key, true, left).await {
            Ok(()) => return Ok(connections),
            Err(failure) => pause(request, &mut failed, request.error(failure)).await?,
        }
    }
}

/// The pause of an outage, after which the request may go on. An error if its wait is over.
async fn pause(request: &AcquireRequest<'_>, failed: &mut u32, error: Error) -> Result<()> {
    let left = request.left();
    if request.options.fail_fast || left.is_zero() {
        return Err(error);
    }
    let core = request.core();
    let jitter = core.nodes.random.draw();
    let pause = backoff::delay(Refusal::Outage, *failed, jitter, WakeUp::Never);
    tokio::time::sleep(pause.min(left)).await;
    *failed = failed.saturating_add(1);
    core.open(Some(request.name))
}
