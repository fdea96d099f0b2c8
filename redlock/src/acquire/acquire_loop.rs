//! Getting a lock: the place in line, then attempts until one wins or the wait is over.

use std::{sync::Arc, time::Duration};

use crate::{
    acquire::{
        admission::Admitted,
        local_queue::{Joined, Next, Past, Turn},
        service::Service,
        waiter_limit::{Place as WaitingPlace, WaiterLimit},
    },
    core::Core,
    env::clock::Instant,
    error::{Error, NodeError, Result},
    events::lock as events,
    fault::FaultKind,
    key::Key,
    lease::{HandOverLimit, Hold, HoldTerms, Lease, Terms},
    node::{ConnectionSet, NodeState, Notification},
    quorum::{
        backoff::{self, Ear, Refusal},
        token::FencingToken,
    },
    round::{
        acquire::{self, Ask, Failure, Grant},
        waitlist::WaitlistEntry,
    },
};

/// Further attempts of a request that does not wait, after votes that were split: so that one of those who ask at the
/// same moment gets the lock. They ask one node first; who is refused there gives up, so one is left. All of them
/// have the time of one attempt together.
const SPLITS: u32 = 12;
/// The pause before such an attempt, in which the keys of those who gave up go; none before the first.
const SPLIT_PAUSE: Duration = Duration::from_millis(1);
/// Within this time those look again who wait for a notification that a lost connection may have brought.
const INTERRUPTED: Duration = Duration::from_millis(500);

/// Somebody who wants a lock.
#[derive(Debug)]
pub(crate) struct AcquireLoop<'a> {
    pub(crate) service: &'a Service,
    pub(crate) name: &'a str,
    pub(crate) key: &'a Arc<Key>,
    pub(crate) terms: Terms,
    pub(crate) hold_terms: HoldTerms,
    /// How long it waits in all; zero for one look.
    pub(crate) wait: Duration,
    /// A missing quorum is not waited for.
    pub(crate) fail_fast: bool,
    pub(crate) max_waiters: Option<&'a WaiterLimit>,
    /// Since when.
    pub(crate) since: Instant,
}

impl AcquireLoop<'_> {
    /// Waits in line and asks until the lock is granted. Cancel safe: the place is left, and what an attempt may have
    /// been granted is released behind it.
    pub(crate) async fn run(&self) -> Result<Arc<Hold>> {
        let mut waiting = None;
        // Again only where a turn came too late: nothing was left of it when this task ran.
        loop {
            let turn = match self.next_in_line(&mut waiting).await? {
                Next::Turn(turn) => turn,
                Next::Hold(unclaimed) => match unclaimed.claim() {
                    Some(hold) => {
                        events::handed_over(self.key, hold.token().get());
                        if self.hold_terms.max_hold.is_some() {
                            self.service.renewers.watch(hold.lease());
                        }
                        // A runtime that only ever waited takes part in the renewal from now on.
                        if self.terms.keep_alive && !hold.lease().is_at_home() {
                            self.service.renewers.attend();
                        }
                        return Ok(hold);
                    }
                    None => continue,
                },
                Next::CoolingDown(left) => return Err(Error::cooling_down(self.name, left)),
                Next::Outage(error) => return Err(error),
            };
            let lease = self.ask(&turn, &mut waiting).await?;
            let hold = lease.turn(self.hold_terms);
            turn.granted(&lease);
            if self.terms.keep_alive {
                self.service.renewers.keep(&lease);
            } else if self.hold_terms.max_hold.is_some() {
                self.service.renewers.watch(&lease);
            } else {
                self.service.renewers.take_part();
            }
            match hold {
                Some(hold) => return Ok(hold),
                None => lease.lapse(),
            }
        }
    }

    /// The turn in this process, or a lease that is handed on.
    async fn next_in_line(&self, waiting: &mut Option<WaitingPlace>) -> Result<Next> {
        let (queue, core) = (&self.service.queue, self.core());
        if self.wait.is_zero() {
            let turn = queue.try_turn(self.key);
            return turn
                .map(Next::Turn)
                // Whoever asks for the lock right now will have it for a ttl like this one at most.
                .map_err(|left| Error::busy(self.name, left.or(Some(self.terms.ttl))));
        }
        let waiter = (self.terms, self.hold_terms, self.fail_fast);
        match queue.join(self.key, waiter) {
            Joined::Turn(turn) => Ok(Next::Turn(turn)),
            Joined::Waits(place) => {
                // Waiting needs timers, as asking does.
                core.connections()?;
                let full = self.begin_to_wait(waiting).err();
                // An outage concerns those beyond the limit as well: it shows when the attempt that is on has
                // had its node time-out.
                let time = match full {
                    Some(full) if !self.fail_fast || queue.holder(self.key).is_some() => {
                        return Err(full);
                    }
                    Some(_) => self.left().min(core.node_timeout(self.terms.ttl) * 2),
                    None => self.left(),
                };
                place.wait(time).await.map_err(|left| {
                    full.unwrap_or_else(|| Error::timed_out(self.name, self.wait, left))
                })
            }
        }
    }

    /// Asks the nodes until they grant a lease.
    async fn ask(&self, turn: &Turn, waiting: &mut Option<WaitingPlace>) -> Result<Arc<Lease>> {
        let core = self.core();
        let mut first = Some(core.connections()?);
        let node_timeout = core.node_timeout(self.terms.ttl);
        let mut ask = Ask {
            key: Arc::clone(self.key),
            ttl: self.terms.ttl,
            fencing: self.terms.fencing,
            block: 1,
            floor: turn.past().fence,
            contended: false,
            halves: self.wait.is_zero(),
            inbox: None,
        };
        let deferral = self.deferral(turn).await;
        let mut contended = deferral.is_some();
        let (mut enlisted, mut rung, mut missed) = (None, None, 0);
        if let Some(time) = deferral.filter(|_| !self.wait.is_zero()) {
            // Back in line, so that the others are served first, and this one after them.
            enlisted = self.join_waitlist(&core.connections()?);
            if let Some(enlisted) = &enlisted {
                enlisted.tell();
                ask.inbox = Some(enlisted.inbox().clone());
            }
            rung = self.sleep(time.min(self.left()), enlisted.as_ref()).await;
            ask.contended = rung != Some(Notification::First);
        }
        let contact_within = match self.wait {
            Duration::ZERO => core.nodes.contact_within(),
            _ => self.left(),
        };
        core.open(Some(self.name))?;
        let connections = core.connections()?;
        connections.first_contact(&core.nodes, contact_within).await;
        // A short wait still has the time to ask once.
        let mut within = match self.wait {
            Duration::ZERO => node_timeout,
            _ => self.left().max(node_timeout / 5).min(node_timeout),
        };
        let mut asked_since = None;
        let mut refused = None;
        let mut series = Series::default();
        let mut admitted = None;
        loop {
            core.open(Some(self.name))?;
            if admitted.is_none() {
                admitted = Some(match self.admit(&mut within).await {
                    Ok(place) => place,
                    Err(overloaded) => return Err(self.failed(refused.unwrap_or(overloaded))),
                });
            }
            let asked_since = *asked_since.get_or_insert_with(|| core.now());
            let connections = match first.take() {
                Some(connections) => connections,
                None => core.connections()?,
            };
            // Reserved where somebody waits for turns without a round trip.
            ask.block = if turn.waiting() > 0 {
                FencingToken::BLOCK
            } else {
                1
            };
            let attempt =
                acquire::attempt(&core.nodes, &connections, &core.tracker, &mut ask, within).await;
            let failure = match attempt {
                Ok(grant) => {
                    self.caught(&grant, node_timeout);
                    if let Some(enlisted) = enlisted {
                        enlisted.granted();
                    }
                    contended |= refused.is_some();
                    let (key, terms) = (self.key, self.terms);
                    let hand_over_limit =
                        HandOverLimit::new(contended, turn.waiting(), turn.past().calm);
                    return Ok(Lease::grant(
                        core,
                        &connections,
                        key,
                        terms,
                        &grant,
                        hand_over_limit,
                    ));
                }
                // An attempt that the wait cut short says less than the one before.
                Err(Failure::NoQuorum { .. }) if within < node_timeout && refused.is_some() => {
                    refused.take().unwrap_or(Failure::NoToken)
                }
                Err(failure) => {
                    self.unanswered(&failure, within);
                    failure
                }
            };
            let (refusal, number) = series.next(&failure);
            if self.wait.is_zero() && refusal == Refusal::Split && number <= SPLITS {
                let mut pause = Duration::ZERO;
                if number > 1 {
                    let jitter: f64 = core.nodes.random.draw();
                    pause = SPLIT_PAUSE.mul_f64(f64::from(number) * jitter);
                }
                let spent = core.now().saturating_since(asked_since);
                within = node_timeout.saturating_sub(spent.saturating_add(pause));
                if !within.is_zero() {
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                    ask.contended = true;
                    refused = Some(failure);
                    continue;
                }
            }
            let left = self.left();
            // Whom a cool-down refuses cannot have the lock by waiting for its turn.
            let is_final = matches!(
                failure,
                Failure::NoToken | Failure::NoRandomness | Failure::CoolingDown { .. }
            );
            let is_outage = refusal == Refusal::Outage;
            if is_outage && self.fail_fast {
                let error = self.failed(failure);
                turn.fail_fast(&error);
                return Err(error);
            }
            if left.is_zero() || is_final {
                return Err(self.failed(failure));
            }
            if let Err(full) = self.begin_to_wait(waiting) {
                return Err(if is_outage {
                    self.failed(failure)
                } else {
                    full
                });
            }
            let was_refused = matches!(failure, Failure::Refused { .. });
            if enlisted.is_none() && was_refused {
                enlisted = self.join_waitlist(&connections);
                if let Some(enlisted) = &enlisted {
                    // Listens first and asks once more, so that no release falls in between.
                    ask.inbox = Some(enlisted.inbox().clone());
                    ask.contended = false;
                    refused = Some(failure);
                    within = left.min(node_timeout);
                    continue;
                }
            }
            if let Some(enlisted) = &enlisted
                && was_refused
                && (refusal == Refusal::Split || rung.is_some_and(Notification::left_waitlist))
            {
                // Struck off by nodes that told this waiter, or that said yes.
                enlisted.tell();
            }
            admitted = None;
            // Told for nothing: what this attempt wrote and took back tells others, and theirs this one again.
            missed = match rung {
                Some(rung) if rung.left_waitlist() => missed + 1,
                _ => 0,
            };
            if missed > 0 {
                let jitter = core.nodes.random.draw();
                let pause = backoff::delay(Refusal::Split, missed - 1, jitter, Ear::Deaf);
                tokio::time::sleep(pause.min(left)).await;
            }
            let ear = match (&enlisted, &failure) {
                (None, _) => Ear::Deaf,
                (Some(_), Failure::Refused { notified: true, .. }) => Ear::Promised,
                (Some(_), _) => Ear::Open,
            };
            let pause = self.pause(refusal, number - 1, ear);
            rung = self.sleep(pause, enlisted.as_ref()).await;
            if rung == Some(Notification::Interrupted) {
                // Not all of those who wait at the same moment.
                let pause = INTERRUPTED.mul_f64(core.nodes.random.draw());
                tokio::time::sleep(pause.min(self.left())).await;
            }
            let left = self.left();
            if left.is_zero() {
                return Err(self.failed(failure));
            }
            within = left.min(node_timeout);
            ask.contended = match rung {
                Some(rung) => !matches!(rung, Notification::First | Notification::Interrupted),
                // Every other attempt asks all nodes at once: a leftover on the first node must not stand for the rest.
                None => was_refused && !ask.contended,
            };
            if was_refused {
                refused = Some(failure);
            }
        }
    }

    /// Counts the request among those who wait, where there is a limit on them.
    fn begin_to_wait(&self, waiting: &mut Option<WaitingPlace>) -> Result<()> {
        if let (Some(limit), None) = (self.max_waiters, &waiting) {
            let place = limit.enter(self.name);
            *waiting = Some(place.ok_or_else(|| Error::too_many_waiters(self.name))?);
        }
        Ok(())
    }

    /// How long others go first that were told of the last release: against them, who waits next to the holder would win
    /// every time.
    async fn deferral(&self, turn: &Turn) -> Option<Duration> {
        let core = self.core();
        if let Past {
            release: Some(release),
            contended: true,
            ..
        } = turn.past()
            && !self.wait.is_zero()
        {
            // Whether anybody was told is known when the release has come back.
            let within = core.node_timeout(self.terms.ttl).min(self.left());
            release.decided(within).await;
        }
        core.nodes.notifications.told().deferral(self.key.lock())
    }

    /// A place in the line of processes, where the inbox is heard on a majority.
    fn join_waitlist(&self, connections: &Arc<ConnectionSet>) -> Option<WaitlistEntry> {
        let nodes = &self.core().nodes;
        (self.terms.fencing && connections.is_subscribed(self.key) >= nodes.quorum())
            .then(|| WaitlistEntry::new(nodes, connections, self.key))
    }

    /// How long to sleep before the next attempt. The last one is made before the wait is over, in case that a notification
    /// was lost.
    fn pause(&self, refusal: Refusal, number: u32, ear: Ear) -> Duration {
        let core = self.core();
        let pause = backoff::delay(refusal, number, core.nodes.random.draw(), ear);
        let (left, node_timeout) = (self.left(), core.node_timeout(self.terms.ttl));
        let until_last = left.saturating_sub(node_timeout);
        if ear == Ear::Promised && until_last > node_timeout / 5 {
            pause.min(until_last)
        } else {
            pause.min(left)
        }
    }

    /// Sleeps until the time is over, or until told to go on.
    async fn sleep(
        &self,
        time: Duration,
        enlisted: Option<&WaitlistEntry>,
    ) -> Option<Notification> {
        let sleep = tokio::time::sleep(time);
        let Some(enlisted) = enlisted else {
            sleep.await;
            return None;
        };
        tokio::select! {
            biased;
            rung = enlisted.rung() => Some(rung),
            () = sleep => None,
        }
    }

    fn core(&self) -> &Arc<Core> {
        &self.service.core
    }

    fn left(&self) -> Duration {
        let waited = self.core().now().saturating_since(self.since);
        self.wait.saturating_sub(waited)
    }

    /// A place among the attempts in flight. `within` shrinks with the time that is left after it.
    async fn admit(&self, within: &mut Duration) -> Result<Admitted<'_>, Failure> {
        let admission = &self.service.admission;
        if let Some(place) = admission.try_admit() {
            return Ok(place);
        }
        let core = self.core();
        let node_timeout = core.node_timeout(self.terms.ttl);
        let begun = core.now();
        let time = match self.wait {
            Duration::ZERO => node_timeout,
            _ => self.left().max(node_timeout / 5),
        };
        let place = admission.admit(time).await;
        if !self.wait.is_zero() {
            *within = self.left().max(node_timeout / 5).min(*within);
        }
        place.ok_or_else(|| {
            let text = format!(
                "{} attempts of this client are in flight, and none of them ended for this one within {} ms",
                admission.limit(),
                core.now().saturating_since(begun).as_millis()
            );
            let overloaded = |node: &Arc<NodeState>| {
                NodeError::new(node.name(), FaultKind::Backlog, text.clone())
            };
            Failure::NoQuorum {
                able: 0,
                errors: core.nodes.states.iter().map(overloaded).collect(),
            }
        })
    }

    /// Attempts that nodes leave without an answer say that too many are in flight.
    fn unanswered(&self, failure: &Failure, within: Duration) {
        if let Failure::NoQuorum { errors, .. } = failure
            && errors
                .iter()
                .any(|error| error.kind() == FaultKind::TimedOut)
        {
            let now = self.core().now();
            self.service.admission.unanswered(now.before(within), now);
        }
    }

    fn caught(&self, grant: &Grant, node_timeout: Duration) {
        let now = self.core().now();
        let took = now.saturating_since(grant.started);
        let admission = &self.service.admission;
        admission.granted(grant.started, took, node_timeout);
        let waited = || now.saturating_since(self.since);
        events::granted(self.key, grant.token.unwrap_or(0), grant.rounds, waited);
    }

    fn failed(&self, failure: Failure) -> Error {
        match failure {
            Failure::Refused { left, .. } if self.wait.is_zero() => Error::busy(self.name, left),
            Failure::Refused { left, .. } => Error::timed_out(self.name, self.wait, left),
            Failure::CoolingDown { left } => Error::cooling_down(self.name, left),
            Failure::NoQuorum { able, errors } => {
                Error::no_quorum(Some(self.name), able, self.core().nodes.quorum(), errors)
            }
            Failure::Expired { took } => Error::expired(self.name, self.terms.ttl, took),
            Failure::NoToken => Error::no_token(self.name),
            Failure::NoRandomness => Error::no_randomness(self.name),
        }
    }
}

/// Refusals of one kind in a row.
#[derive(Debug, Default)]
struct Series {
    last: Option<Refusal>,
    number: u32,
}

impl Series {
    /// What a failure tells a waiter, and which in a row it is, from 1.
    fn next(&mut self, failure: &Failure) -> (Refusal, u32) {
        let refusal = match failure {
            Failure::NoQuorum { .. }
            | Failure::Expired { .. }
            | Failure::NoToken
            | Failure::NoRandomness => Refusal::Outage,
            Failure::CoolingDown { left } => Refusal::FreeIn(*left),
            Failure::Refused { split: true, .. } => Refusal::Split,
            Failure::Refused { free_in, left, .. } => match free_in.or(*left) {
                Some(free) if !free.is_zero() => Refusal::FreeIn(free),
                _ => Refusal::Split,
            },
        };
        let same =
            |last: Refusal| std::mem::discriminant(&last) == std::mem::discriminant(&refusal);
        self.number = if self.last.is_some_and(same) {
            self.number + 1
        } else {
            1
        };
        self.last = Some(refusal);
        (refusal, self.number)
    }
}
