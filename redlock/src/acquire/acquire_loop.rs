//! The acquire loop: carries out the steps that [`Retry`] decides, until the nodes grant a lease or the request fails.

use std::{future::pending, sync::Arc, time::Duration};

use super::{
    admission::Admitted,
    attempt::{Attempt, Failure},
    local_queue::{History, Turn},
    permits::attempt_permit,
    request::AcquireRequest,
    retry::{Moment, Plan, Retry, Sleep, Step},
    waiter_limit::WaiterSlot,
    waitlist::WaitlistEntry,
};
use crate::{
    core::Core,
    env::clock::Instant,
    error::{Error, Result},
    events::lock as events,
    fault::FaultKind,
    key::Key,
    lease::{Grant, HandOverLimit, Lease},
    node::{ConnectionSet, Notification, Subscriber},
};

/// Cancel safe: an attempt in flight is rolled back, and the process leaves the waitlist.
pub(super) struct AcquireLoop<'a> {
    request: &'a AcquireRequest<'a>,
    turn: &'a Turn,
    progress: &'a mut Progress,
    waitlist: Option<WaitlistEntry>,
    admitted: Option<Admitted<'a>>,
}

/// The state of a request between its attempts.
#[derive(Debug)]
pub(crate) struct Progress {
    retry: Retry,
    /// The next step. `None` before the first one, and while one is carried out.
    step: Option<Box<Step>>,
    /// The highest fence seen for the key.
    floor: u64,
    /// Another process was seen to hold or to want the key.
    contended: bool,
    /// When the first attempt of a request that does not wait started.
    began: Option<Instant>,
}

impl Progress {
    pub(super) fn new(request: &AcquireRequest<'_>, turn: &Turn) -> Self {
        let (waits, fail_fast) = (request.waits(), request.options.fail_fast);
        Self {
            retry: Retry::new(waits, fail_fast, request.node_timeout()),
            step: None,
            floor: turn.history().fence,
            contended: false,
            began: None,
        }
    }
}

impl<'a> AcquireLoop<'a> {
    pub(super) fn new(
        request: &'a AcquireRequest<'a>,
        turn: &'a Turn,
        progress: &'a mut Progress,
    ) -> Self {
        Self {
            request,
            turn,
            progress,
            waitlist: None,
            admitted: None,
        }
    }

    /// Makes the first attempt, if it is admitted at once. Returns `None` if [`run`](Self::run) has to continue.
    pub(super) async fn attempt_once(&mut self) -> Result<Option<Arc<Lease>>> {
        let (mut step, connections) = self.start().await?;
        if let Step::Attempt(plan) = step
            && self.is_admitted()
        {
            step = match self.attempt(plan, plan.within, Some(connections)).await? {
                Ok(lease) => return Ok(Some(lease)),
                Err(failure) => self.failed(failure),
            };
        }
        if let Step::GiveUp(failure) = step {
            return Err(self.give_up(failure));
        }
        self.progress.step = Some(Box::new(step));
        Ok(None)
    }

    /// Makes attempts until one wins or the request fails.
    ///
    /// Thousands of these futures may sleep at the same time, so parts that are rare, short-lived or large are boxed.
    pub(super) async fn run(&mut self, slot: &mut Option<WaiterSlot>) -> Result<Arc<Lease>> {
        // Looked up once for the first contact and the first attempt.
        let mut connections = None;
        let mut step = match self.progress.step.take() {
            Some(step) => *step,
            None => {
                let (first, met) = Box::pin(self.start()).await?;
                connections = Some(met);
                first
            }
        };
        loop {
            step = match step {
                Step::Attempt(plan) => {
                    let within = self.prepare(plan).await?;
                    match Box::pin(self.attempt(plan, within, connections.take())).await? {
                        Ok(lease) => return Ok(lease),
                        Err(failure) => self.failed(failure),
                    }
                }
                Step::Defer(time) => Box::pin(self.defer(time)).await?,
                Step::JoinWaitlist => {
                    self.begin_to_wait(slot)?;
                    let (joined, moment) = (self.join_waitlist()?, self.moment());
                    self.progress.retry.joined(joined, moment)
                }
                Step::Sleep(sleep) => {
                    self.begin_to_wait(slot)?;
                    self.admitted = None;
                    self.sleep(sleep).await?
                }
                Step::GiveUp(failure) => return Err(self.give_up(failure)),
            }
        }
    }

    /// Returns the first step, and the connections for it.
    async fn start(&mut self) -> Result<(Step, Arc<ConnectionSet>)> {
        let connections = self.request.meet_nodes().await?;
        let deferral = self.deferral().await;
        self.progress.contended = deferral.is_some();
        let step = self.progress.retry.start(deferral, self.request.left());
        Ok((step, connections))
    }

    fn failed(&mut self, failure: Failure) -> Step {
        if !self.progress.retry.is_cut_short(&failure) {
            self.turn.attempt_failed(self.request.outage(&failure));
        }
        let moment = self.moment();
        self.progress.retry.failed(failure, moment)
    }

    fn core(&self) -> &'a Arc<Core> {
        self.request.core()
    }

    fn moment(&self) -> Moment {
        let now = self.core().now();
        let spent = |began| now.saturating_since(began);
        Moment {
            left: self.request.left(),
            spent: self.progress.began.map(spent).unwrap_or_default(),
            jitter: self.core().nodes.random.draw(),
            now: now.saturating_since(self.request.engine.since),
        }
    }

    /// How long to yield to a waiter that our last release notified; otherwise the local waiter always wins.
    async fn deferral(&self) -> Option<Duration> {
        if let History {
            last_release: Some(release),
            contended: true,
            ..
        } = self.turn.history()
            && self.request.waits()
        {
            // The replies to the release say whether it notified anybody.
            let within = self.request.node_timeout().min(self.request.left());
            release.decision(within).await;
        }
        let notified = self.core().nodes.notifications.deferrals();
        notified.deferral(self.request.key.lock())
    }

    /// Joins the waitlist, so that this process is served after the others.
    async fn defer(&mut self, time: Duration) -> Result<Step> {
        let joined = self.join_waitlist()?;
        self.progress.retry.deferred(joined);
        let sleep = Sleep {
            time,
            listen: true,
            rejoin: true,
        };
        self.sleep(sleep).await
    }

    /// Waits until the attempt may begin. Returns the time that is left for it.
    async fn prepare(&mut self, plan: Plan) -> Result<Duration> {
        if !plan.pause.is_zero() {
            Box::pin(tokio::time::sleep(plan.pause)).await;
        }
        self.core().open(Some(self.request.name))?;
        self.admit(plan.within).await
    }

    /// Makes one attempt, which has been admitted.
    async fn attempt(
        &mut self,
        plan: Plan,
        within: Duration,
        connections: Option<Arc<ConnectionSet>>,
    ) -> Result<Result<Arc<Lease>, Failure>> {
        let (request, core) = (self.request, self.core());
        if !request.waits() && self.progress.began.is_none() {
            self.progress.began = Some(core.now());
        }
        let connections = connections.map_or_else(|| core.connections(), Ok)?;
        let attempt = Attempt {
            core,
            connections: &connections,
            key: request.key,
            options: request.options.lease,
            within,
            // A block of tokens lets the lease pass to local waiters without a round trip. All guards of a shared hold have the
            // same token, and superseding a hold must not end that of a later request.
            reserves_block: self.turn.waiting() > 0
                && !request.options.lease.kind.is_shared()
                && !request.options.lease.newest_wins,
            one_node_first: plan.one_node_first
                && request.options.lease.kind.may_ask_one_node_first(),
            abandon_splits: !request.waits(),
            inbox: self.waitlist.as_ref().map(WaitlistEntry::inbox),
            adopts: None,
        };
        let granted = match request.permits {
            None => attempt
                .run(&mut self.progress.floor)
                .await
                .map(|grant| self.granted(request.key, &grant, &connections)),
            // Boxed, so that an attempt to acquire a lock does not grow by it.
            Some(permits) => Box::pin(attempt_permit(request, permits, attempt))
                .await?
                .map(|permit| self.granted(&permit.key, &permit.grant, &connections)),
        };
        match granted {
            Ok(lease) => Ok(Ok(lease)),
            Err(failure) => {
                self.progress.contended |= failure.is_refused();
                if !self.progress.retry.is_cut_short(&failure) {
                    self.report_unanswered(&failure, within);
                }
                Ok(Err(failure))
            }
        }
    }

    /// `key` is that of the request, or of its permit.
    fn granted(
        &mut self,
        key: &Arc<Key>,
        grant: &Grant,
        connections: &Arc<ConnectionSet>,
    ) -> Arc<Lease> {
        let (request, core) = (self.request, self.core());
        let now = core.now();
        let took = now.saturating_since(grant.started);
        let admission = &request.engine.admission;
        admission.granted(grant.started, took, request.node_timeout());
        let waited = || now.saturating_since(request.since);
        let token = grant.claim.tokens.first().unwrap_or(0);
        events::granted(request.key, token, grant.rounds, waited);
        if let Some(entry) = self.waitlist.take() {
            entry.granted();
        }
        let limit = match request.permits {
            None => {
                let uncontended = self.turn.history().uncontended;
                HandOverLimit::new(self.progress.contended, self.turn.waiting(), uncontended)
            }
            Some(_) => HandOverLimit::LONGEST,
        };
        let options = request.options.lease;
        Lease::new(core, connections, key, options, grant, limit)
    }

    /// Whether the next attempt is admitted, without waiting for that.
    fn is_admitted(&mut self) -> bool {
        if self.admitted.is_none() {
            self.admitted = self.request.engine.admission.try_admit();
        }
        self.admitted.is_some()
    }

    /// Waits for admission. Returns the time that is left for the attempt then.
    async fn admit(&mut self, within: Duration) -> Result<Duration> {
        if self.is_admitted() {
            return Ok(within);
        }
        let request = self.request;
        let admission = &request.engine.admission;
        let begun = self.core().now();
        let left = || match request.waits() {
            // Even a wait that is almost over has the time to ask once.
            true => request.left().max(request.node_timeout() / 5),
            false => request.node_timeout(),
        };
        let admitted = Box::pin(admission.admit(left())).await;
        let within = left().min(within);
        let waited = self.core().now().saturating_since(begun);
        self.admitted = admitted;
        if self.admitted.is_none() {
            let failure = self.progress.retry.overloaded(request.overloaded(waited));
            return Err(request.error(failure));
        }
        Ok(within)
    }

    /// Lowers the limit on attempts in flight after one that nodes did not answer in time.
    fn report_unanswered(&self, failure: &Failure, within: Duration) {
        let Failure::NoQuorum { errors, .. } = failure else {
            return;
        };
        if errors
            .iter()
            .any(|error| error.kind() == FaultKind::TimedOut)
        {
            let now = self.core().now();
            let admission = &self.request.engine.admission;
            admission.unanswered(now.before(within), now);
        }
    }

    /// Counts the request as waiting. If the limit on waiters forbids that and the last attempt found an outage, the outage is
    /// the error.
    fn begin_to_wait(&mut self, slot: &mut Option<WaiterSlot>) -> Result<()> {
        let request = self.request;
        request.begin_to_wait(slot).map_err(|full| {
            let outage = self.progress.retry.may_not_wait();
            outage.map_or(full, |failure| request.error(failure))
        })
    }

    /// Prepares an entry in the waitlist, if notifications are received from a majority. Returns whether there is one.
    fn join_waitlist(&mut self) -> Result<bool> {
        let (core, key) = (self.core(), self.request.key);
        let connections = core.connections()?;
        let lease = &self.request.options.lease;
        if lease.fencing && connections.is_subscribed(key) >= core.nodes.quorum() {
            let entry = WaitlistEntry::new(core, &connections, key, lease.kind);
            self.waitlist = Some(entry);
        }
        Ok(self.waitlist.is_some())
    }

    async fn sleep(&mut self, sleep: Sleep) -> Result<Step> {
        if let Some(entry) = &self.waitlist
            && sleep.rejoin
        {
            entry.join();
        }
        let subscriber = self.waitlist.as_ref().map(WaitlistEntry::subscriber);
        let waiting = events::waiting();
        // One `select!`: very many tasks may sleep here, and each future around another takes memory.
        let notification = tokio::select! {
            biased;
            () = self.core().closed() => return Err(Error::closed(Some(self.request.name))),
            notification = notified(subscriber), if sleep.listen => Some(notification),
            () = tokio::time::sleep(sleep.time) => None,
        };
        drop(waiting);
        let moment = self.moment();
        Ok(self.progress.retry.woken(notification, moment))
    }

    fn give_up(&self, failure: Failure) -> Error {
        let fails_fast = self.request.options.fail_fast && failure.is_outage();
        let is_pointless = self.progress.retry.is_pointless();
        let error = self.request.error(failure);
        if fails_fast {
            self.turn.fail_fast(&error);
        }
        if is_pointless {
            let AcquireRequest {
                options, permits, ..
            } = self.request;
            self.turn.fail_those_like(options.lease, *permits, &error);
        }
        error
    }
}

/// Waits for a notification, without end where none can come.
async fn notified(subscriber: Option<&Subscriber>) -> Notification {
    match subscriber {
        Some(subscriber) => subscriber.notified().await,
        None => pending().await,
    }
}
