//! The retry decisions, without nodes and without time.

use std::time::Duration;

use super::{Moment, Plan, Retry, SPLITS, Sleep, Step};
use crate::{acquire::attempt::Failure, error::NodeError, fault::FaultKind, node::Notification};

const MS: Duration = Duration::from_millis(1);
const NODE_TIMEOUT: Duration = Duration::from_millis(250);
const WAIT: Duration = Duration::from_secs(10);

fn after(left: Duration) -> Moment {
    Moment {
        left,
        spent: Duration::ZERO,
        jitter: 0.5,
        now: Duration::ZERO,
    }
}

fn waiting() -> Retry {
    Retry::new(true, false, NODE_TIMEOUT)
}

/// A request that waits and whose first attempt is in flight.
fn attempting() -> Retry {
    let mut retry = waiting();
    plan(retry.start(None, WAIT));
    retry
}

/// One that has joined the waitlist and made the attempt after that.
fn on_waitlist() -> Retry {
    let mut retry = attempting();
    assert!(matches!(
        retry.failed(held(false), after(WAIT)),
        Step::JoinWaitlist
    ));
    plan(retry.joined(true, after(WAIT)));
    retry
}

fn held(notified: bool) -> Failure {
    let left = Some(Duration::from_secs(5));
    Failure::Refused {
        free_in: left,
        left,
        by: None,
        split: false,
        notified,
    }
}

fn split() -> Failure {
    Failure::Refused {
        free_in: None,
        left: None,
        by: None,
        split: true,
        notified: false,
    }
}

fn outage() -> Failure {
    Failure::NoQuorum {
        able: 1,
        errors: Vec::new(),
    }
}

#[track_caller]
fn plan(step: Step) -> Plan {
    match step {
        Step::Attempt(plan) => plan,
        other => panic!("no attempt: {other:?}"),
    }
}

#[track_caller]
fn sleep(step: Step) -> Sleep {
    match step {
        Step::Sleep(sleep) => sleep,
        other => panic!("no sleep: {other:?}"),
    }
}

#[track_caller]
fn gives_up(step: Step) -> Failure {
    match step {
        Step::GiveUp(failure) => failure,
        other => panic!("goes on: {other:?}"),
    }
}

#[test]
fn the_first_attempt_has_the_node_timeout_or_what_is_left_of_the_wait() {
    assert_eq!(plan(waiting().start(None, WAIT)).within, NODE_TIMEOUT);
    assert_eq!(plan(waiting().start(None, 100 * MS)).within, 100 * MS);
    let almost_over = plan(waiting().start(None, MS));
    assert_eq!(almost_over.within, NODE_TIMEOUT / 5);
}

#[test]
fn a_request_that_does_not_wait_gives_up_when_another_holds_the_key() {
    let mut retry = Retry::new(false, false, NODE_TIMEOUT);
    assert_eq!(
        plan(retry.start(Some(10 * MS), Duration::ZERO)).within,
        NODE_TIMEOUT
    );
    let failure = gives_up(retry.failed(held(true), after(Duration::ZERO)));
    assert!(failure.is_refused());
}

#[test]
fn a_request_that_does_not_wait_repeats_split_votes_on_one_node_first() {
    let mut retry = Retry::new(false, false, NODE_TIMEOUT);
    assert!(!plan(retry.start(None, Duration::ZERO)).one_node_first);
    let first = plan(retry.failed(split(), after(Duration::ZERO)));
    assert!(first.one_node_first);
    assert_eq!(first.pause, Duration::ZERO);
    for _ in 1..SPLITS {
        let next = plan(retry.failed(split(), after(Duration::ZERO)));
        assert!(!next.pause.is_zero() && next.within < NODE_TIMEOUT);
    }
    gives_up(retry.failed(split(), after(Duration::ZERO)));
}

#[test]
fn repeated_split_votes_share_the_time_of_one_attempt() {
    let mut retry = Retry::new(false, false, NODE_TIMEOUT);
    plan(retry.start(None, Duration::ZERO));
    let late = |spent| Moment {
        spent,
        ..after(Duration::ZERO)
    };
    assert_eq!(plan(retry.failed(split(), late(100 * MS))).within, 150 * MS);
    gives_up(retry.failed(split(), late(NODE_TIMEOUT)));
}

#[test]
fn a_process_that_was_notified_goes_first() {
    let mut retry = waiting();
    let step = retry.start(Some(10 * MS), WAIT);
    assert!(matches!(step, Step::Defer(time) if time == 10 * MS));
    retry.deferred(true);
    assert!(plan(retry.woken(None, after(WAIT))).one_node_first);
}

#[test]
fn after_a_deferral_the_first_in_the_waitlist_asks_all_nodes_at_once() {
    let mut retry = waiting();
    retry.start(Some(10 * MS), WAIT);
    retry.deferred(true);
    let next = retry.woken(Some(Notification::First), after(WAIT));
    assert!(!plan(next).one_node_first);
}

#[test]
fn a_refused_waiter_joins_the_waitlist_and_asks_again_before_it_sleeps() {
    let mut retry = attempting();
    let step = retry.failed(held(false), after(WAIT));
    assert!(matches!(step, Step::JoinWaitlist));
    plan(retry.joined(true, after(WAIT)));
    assert!(sleep(retry.failed(held(true), after(WAIT))).listen);
}

#[test]
fn without_notifications_a_waiter_polls() {
    let mut retry = attempting();
    retry.failed(held(false), after(WAIT));
    let polls = sleep(retry.joined(false, after(WAIT)));
    assert!(polls.time <= 50 * MS);
    plan(retry.woken(None, after(WAIT)));
    let step = retry.failed(held(false), after(WAIT));
    assert!(matches!(step, Step::JoinWaitlist), "tries to join again");
}

#[test]
fn a_waiter_with_a_promised_notification_sleeps_until_the_last_attempt() {
    let mut retry = on_waitlist();
    let left = Duration::from_secs(2);
    let listens = sleep(retry.failed(held(true), after(left)));
    assert_eq!(listens.time, left - NODE_TIMEOUT);
    assert!(!listens.rejoin, "the nodes have it on their waitlists");
}

#[test]
fn the_first_in_the_waitlist_asks_all_nodes_and_the_second_asks_one_first() {
    for (notification, one_node_first) in [
        (Notification::First, false),
        (Notification::Doubtful, true),
        (Notification::Second, true),
    ] {
        let mut retry = on_waitlist();
        retry.failed(held(true), after(WAIT));
        let next = retry.woken(Some(notification), after(WAIT));
        assert_eq!(plan(next).one_node_first, one_node_first);
    }
}

#[test]
fn a_spurious_wake_up_rejoins_the_waitlist_and_pauses_before_the_next_sleep() {
    let mut retry = on_waitlist();
    retry.failed(held(true), after(WAIT));
    plan(retry.woken(Some(Notification::First), after(WAIT)));
    let pause = sleep(retry.failed(held(true), after(WAIT)));
    assert!(pause.rejoin && !pause.listen);
    let listens = sleep(retry.woken(None, after(WAIT)));
    assert!(listens.listen && !listens.rejoin);
}

#[test]
fn a_split_vote_rejoins_the_waitlist() {
    let mut retry = on_waitlist();
    assert!(sleep(retry.failed(split(), after(WAIT))).rejoin);
}

#[test]
fn a_lost_connection_makes_a_waiter_check_at_a_random_moment() {
    let mut retry = on_waitlist();
    retry.failed(held(true), after(WAIT));
    let spread = sleep(retry.woken(Some(Notification::Interrupted), after(WAIT)));
    assert_eq!(spread.time, 250 * MS);
    assert!(!spread.listen);
    assert!(!plan(retry.woken(None, after(WAIT))).one_node_first);
}

#[test]
fn every_other_attempt_of_a_poll_asks_all_nodes_at_once() {
    let mut retry = attempting();
    for one_node_first in [true, false, true] {
        retry.failed(held(false), after(WAIT));
        sleep(retry.joined(false, after(WAIT)));
        let next = plan(retry.woken(None, after(WAIT)));
        assert_eq!(next.one_node_first, one_node_first);
    }
}

#[test]
fn an_outage_is_waited_for_unless_the_request_fails_fast() {
    assert!(sleep(attempting().failed(outage(), after(WAIT))).time <= 20 * MS);
    let mut retry = Retry::new(true, true, NODE_TIMEOUT);
    retry.start(None, WAIT);
    assert!(gives_up(retry.failed(outage(), after(WAIT))).is_outage());
}

#[test]
fn a_cool_down_and_a_used_up_token_are_final() {
    let cooling_down = Failure::CoolingDown { left: MS };
    gives_up(attempting().failed(cooling_down, after(WAIT)));
    gives_up(attempting().failed(Failure::NoToken, after(WAIT)));
}

#[test]
fn a_wait_that_is_over_reports_the_last_failure() {
    let mut retry = on_waitlist();
    retry.failed(held(true), after(WAIT));
    assert!(gives_up(retry.woken(None, after(Duration::ZERO))).is_refused());
}

#[test]
fn an_attempt_cut_short_by_the_wait_does_not_replace_a_refusal() {
    let mut retry = on_waitlist();
    retry.failed(held(true), after(WAIT));
    plan(retry.woken(None, after(10 * MS)));
    assert!(retry.is_cut_short(&outage()));
    assert!(gives_up(retry.failed(outage(), after(Duration::ZERO))).is_refused());
}

#[test]
fn a_refused_wait_reports_an_outage_first() {
    let mut retry = attempting();
    sleep(retry.failed(outage(), after(WAIT)));
    assert!(retry.may_not_wait().is_some());
    let mut retry = attempting();
    retry.failed(held(false), after(WAIT));
    assert!(retry.may_not_wait().is_none());
}

#[test]
fn a_look_at_a_lease_that_lasts_asks_all_nodes_and_renews_the_place_there() {
    let wait = Duration::from_secs(100);
    let lasts = Failure::Refused {
        free_in: Some(Duration::from_secs(60)),
        left: Some(Duration::from_secs(60)),
        by: None,
        split: false,
        notified: true,
    };
    let mut retry = on_waitlist();
    sleep(retry.failed(lasts, after(wait)));
    assert!(!plan(retry.woken(None, after(wait))).one_node_first);
    // When this one is over, the waiters contend.
    sleep(retry.failed(held(true), after(wait)));
    assert!(plan(retry.woken(None, after(wait))).one_node_first);
}

#[test]
fn waiters_that_are_promised_a_notification_wake_on_shared_ticks() {
    let end = |now: u64, jitter: f64, notified: bool| {
        let at = Moment {
            now: Duration::from_micros(now),
            jitter,
            ..after(WAIT)
        };
        let mut retry = on_waitlist();
        now + sleep(retry.failed(held(notified), at)).time.as_micros() as u64
    };
    let tick = 16_384;
    assert_eq!(end(1_000_001, 0.5, true) % tick, 0);
    assert_eq!(end(1_003_001, 0.1, true), end(1_000_001, 0.9, true));
    assert_ne!(end(1_000_001, 0.5, false) % tick, 0, "it polls");
}

/// The time of an attempt makes no difference where nodes answered that they have no vote.
#[test]
fn an_outage_that_nodes_reported_is_the_error_also_of_an_attempt_that_was_cut_short() {
    let silenced = |kind| {
        let error = |node| NodeError::new(node, kind, "why");
        Failure::NoQuorum {
            able: 1,
            errors: vec![error("a"), error("b")],
        }
    };
    for (kind, is_outage) in [(FaultKind::Quarantined, true), (FaultKind::TimedOut, false)] {
        let mut retry = on_waitlist();
        sleep(retry.failed(held(false), after(20 * MS)));
        assert_eq!(plan(retry.woken(None, after(20 * MS))).within, 20 * MS);
        let failure = gives_up(retry.failed(silenced(kind), after(Duration::ZERO)));
        assert_eq!(failure.is_outage(), is_outage, "{kind:?}");
    }
    // Not an older refusal, if the attempt between the two had its time.
    let mut retry = on_waitlist();
    sleep(retry.failed(held(false), after(WAIT)));
    plan(retry.woken(None, after(WAIT)));
    sleep(retry.failed(silenced(FaultKind::TimedOut), after(WAIT)));
    assert_eq!(plan(retry.woken(None, after(20 * MS))).within, 20 * MS);
    let failure = gives_up(retry.failed(silenced(FaultKind::TimedOut), after(Duration::ZERO)));
    assert!(failure.is_outage());
}
