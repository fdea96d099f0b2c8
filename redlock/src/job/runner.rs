//! The loop of a replica: waits for the next firing, takes the lock, decides by the record, runs the body, records its end.
//!
//! The guarantees depend on the order. Before the body begins, a majority confirms the record that the firing has started; if that
//! is unknown, the body does not begin. Its end is recorded under the same lock. A replica that loses the lock drops the body and
//! records nothing: the next holder finds a firing without an end.

use std::time::Duration;

use tokio::sync::watch;

use super::{
    BodyResult, Firing, RunState,
    body::{Ended, Run},
    decide::{Decision, count_missed, count_skipped, decide, differs, next_of, spent_after},
    definition::Definition,
    options::{Options, micros},
    record::{LastRun, Record},
    schedule::following,
};
use crate::{
    error::{Error, Result},
    events::job as events,
    fault::FaultKind,
    lock::{guard::Guard, held::Held},
    quorum::backoff::{self, Refusal, WakeUp},
};

/// How often a record is written again while nothing fires: long before it expires.
const REFRESH: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often the end of a firing is written before it is given up.
const TRIES: u32 = 5;

/// What a handle requests from the loop.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Control {
    pub(super) stopped: bool,
    pub(super) paused: bool,
    /// How many firings were requested so far.
    pub(super) triggers: u64,
}

pub(super) struct Runner {
    job: Definition,
    options: Options,
    control: watch::Receiver<Control>,
    /// Keeps the channel open after the handle is gone.
    _open: watch::Sender<Control>,
    triggered: u64,
    /// The instant of a requested firing that has not begun yet: trying again does not make it another one.
    requested: Option<u64>,
    /// The settings of another replica that were reported last.
    reported: Option<String>,
    /// While nodes are silent and the others may have forgotten the record: when it counts as
    /// forgotten.
    forgotten_at: Option<u64>,
}

/// What the loop does after it has read the record under the lock.
enum Next {
    Look,
    /// Sleep until this firing.
    Wait(u64),
    /// The schedule has ended.
    Ended,
}

/// A firing whose start is recorded.
struct Begun {
    at: u64,
    started: u64,
    scheduled: bool,
}

impl Runner {
    pub(super) fn new(job: Definition, options: Options, control: watch::Sender<Control>) -> Self {
        Self {
            job,
            options,
            control: control.subscribe(),
            _open: control,
            triggered: 0,
            requested: None,
            reported: None,
            forgotten_at: None,
        }
    }

    /// Runs until the schedule or a handle ends it.
    pub(super) async fn run<F, B>(mut self, mut body: F) -> Result<()>
    where
        F: FnMut(Firing, Held) -> B,
        B: Future,
        B::Output: BodyResult,
    {
        let mut failures = 0;
        loop {
            let go_on = self
                .control
                .wait_for(|control| control.stopped || !control.paused);
            // Stopped is first, so that a job that is stopped before its client is closed ends without an error.
            tokio::select! {
                biased;
                // An error means that the channel is closed, which it never is.
                _ = go_on => {}
                () = self.job.redlock.core().closed() => return self.job.redlock.core().open(None),
            }
            if self.control.borrow().stopped {
                return Ok(());
            }
            match self.look(&mut body).await {
                Ok(Next::Look) => failures = 0,
                Ok(Next::Ended) => return Ok(()),
                Ok(Next::Wait(at)) => {
                    failures = 0;
                    self.wait_until(at).await;
                }
                Err(error) if is_final(&error) => return Err(error),
                Err(error) => {
                    events::look_failed(&self.job.name, &error);
                    let jitter = self.job.redlock.core().nodes.random.draw();
                    let pause = backoff::delay(Refusal::Outage, failures, jitter, WakeUp::Never);
                    failures += 1;
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// Sleeps until the firing of `at` is due, or until the handle requests something.
    async fn wait_until(&mut self, at: u64) {
        let triggered = self.triggered;
        let due = at.saturating_add(self.options.rules.delay);
        let until = due.min(self.now().saturating_add(micros(REFRESH)));
        let mut control = self.control.clone();
        let wanted = control
            .wait_for(|control| control.stopped || control.paused || control.triggers > triggered);
        tokio::select! {
            () = self.job.sleep_until(until) => {}
            // The next look ends the job.
            () = self.job.redlock.core().closed() => {}
            _ = wanted => {}
        }
    }

    fn now(&self) -> u64 {
        self.job.now()
    }

    /// Takes the lock, and acts on the record.
    async fn look<F, B>(&mut self, body: &mut F) -> Result<Next>
    where
        F: FnMut(Firing, Held) -> B,
        B: Future,
        B::Output: BodyResult,
    {
        let Some(guard) = self.lock().await? else {
            return Ok(Next::Look);
        };
        let record = self.read(&guard).await?;
        self.compare(record.as_ref());
        let (now, schedule) = (self.now(), &*self.job.schedule);
        let skew = micros(self.job.redlock.core().nodes.skew);
        let rules = &self.options.rules;
        let decision = decide(record.as_ref(), schedule, rules, rules.due_by(now), skew)?;
        let mut record = record.unwrap_or_default();
        let wanted = self.control.borrow().triggers;
        let decision = match decision {
            Decision::Wait { .. } if wanted > self.triggered => Decision::Run {
                firing: *self.requested.get_or_insert(now),
                again: false,
            },
            decision => decision,
        };
        let next = match decision {
            Decision::Run { firing, again } => {
                let begun = self.begin(&guard, &mut record, firing).await?;
                if self.requested == Some(firing) {
                    (self.requested, self.triggered) = (None, wanted);
                }
                return self.fire(guard, record, begun, again, body).await;
            }
            Decision::Begin { spent } => {
                record.spent = spent;
                self.write(&guard, &mut record).await?;
                Next::Look
            }
            Decision::Crashed => {
                if let Some(last) = &mut record.last {
                    (last.state, last.ended) = (RunState::Crashed, Some(now));
                }
                self.write(&guard, &mut record).await?;
                events::crashed(&self.job.name);
                Next::Look
            }
            Decision::Wait { next } => {
                self.keep(&guard, &mut record, now).await?;
                next.map_or(Next::Ended, Next::Wait)
            }
        };
        self.release(guard).await;
        Ok(next)
    }

    /// Waits for the lock of the job, however long another replica holds it. Returns `None` if the handle requests something else.
    async fn lock(&mut self) -> Result<Option<Guard>> {
        let mut request = self
            .job
            .redlock
            .lock(self.job.key.as_str())
            .wait(Duration::MAX);
        request = request.fencing(true);
        if let Some(ttl) = self.options.ttl {
            request = request.ttl(ttl);
        }
        tokio::select! {
            guard = request => guard.map(Some),
            _ = self.control.wait_for(|control| control.stopped || control.paused) => Ok(None),
        }
    }

    async fn release(&self, guard: Guard) {
        if let Err(error) = guard.release().await
            && !error.is_of_lost_lock()
        {
            events::look_failed(&self.job.name, &error);
        }
    }

    /// Reads the record. Returns `None` if there is none, or if too few nodes know.
    async fn read(&mut self, guard: &Guard) -> Result<Option<Record>> {
        let read = guard.read().retention(self.options.retention).await;
        let text = match read {
            Err(error) if error.is_forgotten() => {
                if self.may_come_back(&error)? {
                    return Err(error);
                }
                events::forgotten(&self.job.name, &error);
                None
            }
            read => read?,
        };
        self.forgotten_at = None;
        let Some(text) = text else {
            return Ok(None);
        };
        match Record::read(&text) {
            Some(record) => Ok(Some(record)),
            None => Err(Error::other_record(&self.job.name)),
        }
    }

    /// Whether to wait for nodes that did not answer, which may have the record. Without it the
    /// firings that are due are never run. Waits for half of the time until the next firing at
    /// most, so that the next one runs in any case.
    fn may_come_back(&mut self, forgotten: &Error) -> Result<bool> {
        let mut nodes = forgotten.node_errors().iter();
        if nodes.all(|node| node.kind() == FaultKind::Quarantined) {
            return Ok(false);
        }
        let now = self.now();
        let until = match self.forgotten_at {
            Some(until) => until,
            None => {
                let rules = &self.options.rules;
                let due_by = rules.due_by(now);
                let next = following(&*self.job.schedule, due_by)?;
                // A first deployment runs no firing within the skew.
                let skew = micros(self.job.redlock.core().nodes.skew);
                let left = next.map_or(u64::MAX, |next| (next - due_by).saturating_sub(skew));
                now.saturating_add(left.min(rules.catch_up) / 2)
            }
        };
        self.forgotten_at = Some(until);
        Ok(now < until)
    }

    async fn write(&self, guard: &Guard, record: &mut Record) -> Result<()> {
        let now = self.now();
        record.written = now;
        let rules = &self.options.rules;
        record.next = next_of(record, &*self.job.schedule, rules)?;
        record.settings = Some(rules.to_string());
        let write = guard.write(record.text());
        write.retention(self.options.retention).await
    }

    /// Writes the record if firings are missed for good, or if it would expire at some time.
    async fn keep(&self, guard: &Guard, record: &mut Record, now: u64) -> Result<()> {
        let rules = &self.options.rules;
        let oldest = rules.oldest(rules.due_by(now));
        let missed = count_missed(record, &*self.job.schedule, oldest)?;
        if missed > 0 || now.saturating_sub(record.written) >= micros(REFRESH) {
            self.write(guard, record).await?;
            events::missed(&self.job.name, missed);
        }
        Ok(())
    }

    /// Reports replicas that run the job in another way, once for each way.
    fn compare(&mut self, record: Option<&Record>) {
        let (schedule, rules) = (&*self.job.schedule, &self.options.rules);
        let Some(difference) = record.and_then(|record| differs(record, schedule, rules)) else {
            return;
        };
        if self.reported.as_ref() != Some(&difference.theirs) {
            events::differs(&self.job.name, &difference.ours, &difference.theirs);
            self.reported = Some(difference.theirs);
        }
    }

    /// Runs one firing.
    async fn fire<F, B>(
        &mut self,
        guard: Guard,
        mut record: Record,
        Begun {
            at,
            started,
            scheduled,
        }: Begun,
        again: bool,
        body: &mut F,
    ) -> Result<Next>
    where
        F: FnMut(Firing, Held) -> B,
        B: Future,
        B::Output: BodyResult,
    {
        events::started(&self.job.name, at, started, again);
        let mut run = Run {
            job: &self.job,
            options: &self.options,
            guard: &guard,
            at,
            again,
            attempts: 0,
        };
        let (ended, attempts) = (run.until_ended(body).await, run.attempts);
        let (state, error) = match ended {
            Ended::Lost => {
                let error = guard.end_lost().await;
                events::lost(&self.job.name, &error);
                return Ok(Next::Look);
            }
            Ended::Completed => (RunState::Completed, None),
            Ended::Cancelled => (RunState::Cancelled, None),
            Ended::Failed(error) => (RunState::Failed, Some(error)),
        };
        let now = self.now();
        let mut skipped = 0;
        if scheduled {
            let (schedule, rules) = (&*self.job.schedule, &self.options.rules);
            let (began, ended) = (rules.due_by(started), rules.due_by(now));
            let spent = spent_after(at, schedule, rules, began, ended)?;
            skipped = count_skipped(&mut record, schedule, at, spent)?;
            record.spent = record.spent.max(spent);
        }
        record.end(now, state, attempts, error);
        let took = Duration::from_micros(now.saturating_sub(started));
        events::ended(&self.job.name, state.name(), took, attempts);
        self.record_end(&guard, &mut record, skipped).await;
        self.release(guard).await;
        Ok(Next::Look)
    }

    /// Records the start of a firing, and what became of those before it. If it is unknown whether this was recorded, the body
    /// does not begin.
    async fn begin(&self, guard: &Guard, record: &mut Record, at: u64) -> Result<Begun> {
        let started = self.now();
        // A firing that a handle requested is not one of the schedule.
        let scheduled = following(&*self.job.schedule, at.saturating_sub(1))? == Some(at);
        let mut missed = 0;
        if scheduled {
            missed = count_missed(record, &*self.job.schedule, at)?;
            record.spent = record.spent.max(at);
        }
        let open = record.open_run().map(|open| open.firing);
        record.last = Some(LastRun::begun(at, started, self.job.label()));
        self.write(guard, record).await?;
        events::missed(&self.job.name, missed);
        if open.is_some_and(|open| open != at) {
            events::crashed(&self.job.name);
        }
        Ok(Begun {
            at,
            started,
            scheduled,
        })
    }

    /// Writes the end of a firing. Without it, the firing counts as crashed.
    async fn record_end(&self, guard: &Guard, record: &mut Record, skipped: u64) {
        for tried in 1..=TRIES {
            let Err(error) = self.write(guard, record).await else {
                if let Some(firing) = record.completed {
                    events::completed(&self.job.name, firing);
                }
                return events::skipped(&self.job.name, skipped);
            };
            if tried == TRIES || guard.is_lost() {
                return events::unrecorded(&self.job.name, &error);
            }
            tokio::time::sleep(self.job.redlock.core().nodes.timeout).await;
        }
    }
}

/// Whether a retry is useless.
fn is_final(error: &Error) -> bool {
    error.is_invalid() || error.is_closed() || error.is_already_held()
}
