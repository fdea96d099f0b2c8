//! Retry decisions of the acquire loop: a state machine without I/O, clock or randomness.
//!
//! # Design
//!
//! The loop ([`acquire_loop`](super::acquire_loop)) carries out a [`Step`] and reports what came of it, with the
//! [`Moment`] at which it did; the answer is the next step.
//!
//! ```text
//!   start ──▶ Defer ──woken──▶ Attempt ──failed──▶ GiveUp
//!       └───────────────────▶     ▲ │
//!                                 │ ├──failed──▶ Attempt        split vote, and the request does not wait
//!                                 │ ├──failed──▶ JoinWaitlist ──joined──▶ Attempt, or Sleep
//!                                 │ └──failed──▶ Sleep ──woken──▶ Attempt, GiveUp, or another Sleep
//!                                 └──────────────────────────────────┘
//! ```
//!
//! A request that does not wait never sleeps: it repeats split votes within the time of one attempt, [`SPLITS`] times at
//! most. One that waits continues until the wait is over, or until a quorum is refused for a reason that stays ([`REFUSALS`]).
//! It joins the waitlist once, and then asks again, so that no release between the two is missed. Each sleep is bounded by [`backoff::delay`] and by the wait; one with a promised
//! notification is a little longer, so that waiters wake together ([`backoff::on_shared_tick`]).

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::{
    acquire::attempt::{Failure, Series},
    node::Notification,
    quorum::backoff::{self, Refusal, WakeUp},
};

/// Further attempts of a request that does not wait, after split votes. They ask one node first, and whoever is refused
/// there gives up, so that one of the contenders is left.
const SPLITS: u32 = 12;
/// The pause before such an attempt, in which the contenders roll back; none before the first.
const SPLIT_PAUSE: Duration = Duration::from_millis(1);
/// How many attempts in a row fail for a reason that stays until the request fails. Several, since an operator may change users in
/// more than one step.
const REFUSALS: u32 = 3;
/// After a lost connection the waiters check their locks within this time, and not all at the same moment.
const INTERRUPTED: Duration = Duration::from_millis(500);

/// What the acquire loop does next.
#[derive(Debug)]
pub(super) enum Step {
    /// Let a process go first that was notified of our last release: join the waitlist, and sleep for this time or until a
    /// notification. Report by [`Retry::woken`].
    Defer(Duration),
    /// Ask the nodes. Report a failure by [`Retry::failed`].
    Attempt(Plan),
    /// Join the waitlist, if notifications are received from a majority. Report by [`Retry::joined`].
    JoinWaitlist,
    /// Report by [`Retry::woken`].
    Sleep(Sleep),
    GiveUp(Failure),
}

/// How to ask the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// How long to pause before.
    pub(super) pause: Duration,
    /// The deadline of the attempt.
    pub(super) within: Duration,
    /// Ask one node before the others, the same one for all contenders: breaks ties between split votes.
    pub(super) one_node_first: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sleep {
    pub(super) time: Duration,
    /// Whether a notification ends it.
    pub(super) listen: bool,
    /// Join the waitlist again first: nodes that notified us, or said yes, have removed us from it.
    pub(super) rejoin: bool,
}

/// The circumstances of a report.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// What is left of the wait; zero for a request that does not wait.
    pub(super) left: Duration,
    /// Time since the first attempt started.
    pub(super) spent: Duration,
    /// Uniform in `0.0..1.0`.
    pub(super) jitter: f64,
    /// Time since the client was built. Relative, so that a history of the simulation repeats itself.
    pub(super) now: Duration,
}

/// The state of one request.
#[derive(Debug)]
pub(super) struct Retry {
    waits: bool,
    fail_fast: bool,
    node_timeout: Duration,
    /// The attempt in flight, or the last one.
    plan: Plan,
    /// Why that one failed.
    failure: Option<Failure>,
    /// The last failure that was a refusal, while another attempt is made.
    refused: Option<Failure>,
    series: Option<Series>,
    /// How many attempts in a row failed for a reason that stays.
    lasting: u32,
    on_waitlist: bool,
    /// What ended the last sleep.
    notification: Option<Notification>,
    /// How many notifications in a row were followed by a refusal.
    spurious: u32,
    /// The lease that was seen lasts longer than the sleep.
    outlasted: bool,
    sleeping: Sleeping,
}

/// Why the acquire loop sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sleeping {
    /// Another process goes first.
    Deferred,
    /// Pausing after a spurious wake-up, before the sleep itself.
    Spurious,
    /// Until the key may be free.
    Waiting,
    /// Spreading the attempts that follow a lost connection.
    Interrupted,
}

impl Retry {
    /// `waits`: whether the request waits at all.
    pub(super) fn new(waits: bool, fail_fast: bool, node_timeout: Duration) -> Self {
        Self {
            waits,
            fail_fast,
            node_timeout,
            plan: Plan {
                pause: Duration::ZERO,
                within: node_timeout,
                one_node_first: false,
            },
            failure: None,
            refused: None,
            series: None,
            lasting: 0,
            on_waitlist: false,
            notification: None,
            spurious: 0,
            outlasted: false,
            sleeping: Sleeping::Deferred,
        }
    }

    /// The first step. `deferral`: how long a process that our last release notified may go first.
    pub(super) fn start(&mut self, deferral: Option<Duration>, left: Duration) -> Step {
        match deferral.filter(|_| self.waits) {
            Some(time) => Step::Defer(time.min(left)),
            None => self.first_attempt(left),
        }
    }

    /// The process is on the waitlist, by a deferral.
    pub(super) fn deferred(&mut self, on_waitlist: bool) {
        self.on_waitlist = on_waitlist;
    }

    /// Whether the attempt had less time than a node may take, and more time might have made a difference, so that its failure
    /// says less than the one before.
    pub(super) fn is_cut_short(&self, failure: &Failure) -> bool {
        failure.silent_nodes_could_decide()
            && self.plan.within < self.node_timeout
            && self.refused.is_some()
    }

    /// Too many attempts are in flight for another one. Returns why the request fails.
    pub(super) fn overloaded(&mut self, overloaded: Failure) -> Failure {
        self.refused.take().unwrap_or(overloaded)
    }

    /// The limit on waiters forbids that the request waits. Returns the outage that its last attempt found, if it did.
    pub(super) fn may_not_wait(&mut self) -> Option<Failure> {
        self.failure.take().filter(Failure::is_outage)
    }

    /// The attempt failed.
    pub(super) fn failed(&mut self, failure: Failure, at: Moment) -> Step {
        let failure = if self.is_cut_short(&failure) {
            self.refused.take().unwrap_or(failure)
        } else {
            self.refused = None;
            failure
        };
        self.lasting = match failure.is_lasting() {
            true => self.lasting + 1,
            false => 0,
        };
        let series = Series::next(self.series.take(), failure.refusal());
        let split = (series.refusal == Refusal::Split).then_some(series.number);
        self.series = Some(series);
        if let Some(number) = split
            && let Some(plan) = self.repeat_split(number, at)
        {
            self.refused = Some(failure);
            return self.attempt(plan);
        }
        let fails_fast = self.fail_fast && failure.is_outage();
        if fails_fast || failure.is_final() || at.left.is_zero() {
            return Step::GiveUp(failure);
        }
        if self.is_pointless() {
            return Step::GiveUp(failure);
        }
        let joins = failure.is_refused() && !self.on_waitlist;
        self.failure = Some(failure);
        if joins {
            Step::JoinWaitlist
        } else {
            self.sleep(at)
        }
    }

    /// Whether the nodes refuse a quorum for a reason that stays, by several attempts.
    pub(super) fn is_pointless(&self) -> bool {
        self.lasting >= REFUSALS
    }

    /// The process joined the waitlist, or could not.
    pub(super) fn joined(&mut self, on_waitlist: bool, at: Moment) -> Step {
        self.on_waitlist = on_waitlist;
        if !on_waitlist {
            return self.sleep(at);
        }
        self.refused = self.failure.take();
        self.attempt(Plan {
            pause: Duration::ZERO,
            within: at.left.min(self.node_timeout),
            one_node_first: false,
        })
    }

    /// The sleep is over, by `notification` if that ended it.
    pub(super) fn woken(&mut self, notification: Option<Notification>, at: Moment) -> Step {
        match self.sleeping {
            Sleeping::Deferred => {
                self.notification = notification;
                self.plan.one_node_first = notification != Some(Notification::First);
                self.first_attempt(at.left)
            }
            Sleeping::Spurious => self.wait(false, at),
            Sleeping::Waiting => {
                self.notification = notification;
                if notification == Some(Notification::Interrupted) {
                    let time = INTERRUPTED.mul_f64(at.jitter).min(at.left);
                    return self.sleep_for(Sleeping::Interrupted, time, false, false);
                }
                self.attempt_again(at)
            }
            Sleeping::Interrupted => self.attempt_again(at),
        }
    }

    /// Even a wait that is almost over has the time to ask once.
    fn first_attempt(&mut self, left: Duration) -> Step {
        let within = if self.waits {
            left.max(self.node_timeout / 5).min(self.node_timeout)
        } else {
            self.node_timeout
        };
        self.attempt(Plan {
            within,
            ..self.plan
        })
    }

    fn attempt_again(&mut self, at: Moment) -> Step {
        let Some(failure) = self.failure.take() else {
            return self.first_attempt(at.left);
        };
        if at.left.is_zero() {
            return Step::GiveUp(failure);
        }
        let one_node_first = match self.notification {
            Some(Notification::First | Notification::Interrupted) => false,
            Some(_) => true,
            // Renews the place in the waitlists of all nodes. There is no contest, since the holder still has its lease.
            None if self.outlasted => false,
            // Every second attempt asks all nodes at once: a leftover on the first node must not decide for the others.
            None => failure.is_refused() && !self.plan.one_node_first,
        };
        if failure.is_refused() {
            self.refused = Some(failure);
        }
        self.attempt(Plan {
            pause: Duration::ZERO,
            within: at.left.min(self.node_timeout),
            one_node_first,
        })
    }

    fn attempt(&mut self, plan: Plan) -> Step {
        self.plan = plan;
        Step::Attempt(plan)
    }

    /// Another attempt of a request that does not wait, if it has the time.
    fn repeat_split(&self, number: u32, at: Moment) -> Option<Plan> {
        if self.waits || number > SPLITS {
            return None;
        }
        let pause = match number {
            1 => Duration::ZERO,
            _ => SPLIT_PAUSE.mul_f64(f64::from(number) * at.jitter),
        };
        let spent = at.spent.saturating_add(pause);
        let within = self.node_timeout.saturating_sub(spent);
        (!within.is_zero()).then_some(Plan {
            pause,
            within,
            one_node_first: true,
        })
    }

    /// Sleeps until the key may be free; before that, pauses after a spurious wake-up.
    ///
    /// Our rollback notifies others and theirs notifies us: the pause breaks that cycle.
    fn sleep(&mut self, at: Moment) -> Step {
        let left_waitlist = self.notification.is_some_and(Notification::left_waitlist);
        let split = self
            .series
            .as_ref()
            .is_some_and(|series| series.refusal == Refusal::Split);
        let refused = self.failure.as_ref().is_some_and(Failure::is_refused);
        let rejoin = self.on_waitlist && refused && (split || left_waitlist);
        if !left_waitlist {
            self.spurious = 0;
            return self.wait(rejoin, at);
        }
        self.spurious = self.spurious.saturating_add(1);
        let pause = backoff::delay(Refusal::Split, self.spurious - 1, at.jitter, WakeUp::Never);
        self.sleep_for(Sleeping::Spurious, pause.min(at.left), false, rejoin)
    }

    fn wait(&mut self, rejoin: bool, at: Moment) -> Step {
        let time = self.time_to_wait(at);
        self.sleep_for(Sleeping::Waiting, time, true, rejoin)
    }

    fn sleep_for(&mut self, why: Sleeping, time: Duration, listen: bool, rejoin: bool) -> Step {
        self.sleeping = why;
        Step::Sleep(Sleep {
            time,
            listen,
            rejoin,
        })
    }

    /// If a notification is promised, the last attempt is made before the wait is over, in case the notification is lost.
    fn time_to_wait(&mut self, at: Moment) -> Duration {
        let wake_up = match &self.failure {
            _ if !self.on_waitlist => WakeUp::Never,
            Some(Failure::Refused { notified: true, .. }) => WakeUp::Promised,
            _ => WakeUp::Possible,
        };
        let (refusal, number) = self.series.as_ref().map_or((Refusal::Split, 1), |series| {
            (series.refusal, series.number)
        });
        let time = backoff::delay(refusal, number - 1, at.jitter, wake_up);
        self.outlasted = false;
        if wake_up != WakeUp::Promised {
            return time.min(at.left);
        }
        self.outlasted = matches!(refusal, Refusal::FreeIn(free) if time < free);
        let time = backoff::on_shared_tick(time, at.now);
        let until_last = at.left.saturating_sub(self.node_timeout);
        if until_last > self.node_timeout / 5 {
            time.min(until_last)
        } else {
            time.min(at.left)
        }
    }
}
