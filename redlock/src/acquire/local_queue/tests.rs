//! The order of the local queue, without nodes.

use std::{sync::Arc, time::Duration};

use super::{Joined, LocalQueue, Outcome, Position, Turn, Wants};
use crate::{
    error::Error,
    key::Key,
    lease::{HoldOptions, LeaseOptions},
    lock_kind::exclusive::EXCLUSIVE,
};

fn wants(fail_fast: bool) -> Wants {
    Wants {
        lease: LeaseOptions {
            kind: &EXCLUSIVE,
            ttl: Duration::from_secs(10),
            fencing: true,
            keep_alive: true,
            newest_wins: false,
        },
        permits: None,
        hold: HoldOptions::default(),
        fail_fast,
    }
}

fn key() -> Arc<Key> {
    Arc::new(Key::new("", "k").expect("a key"))
}

fn first(queue: &Arc<LocalQueue>) -> Turn {
    match queue.join(&key(), wants(false)) {
        Joined::Turn(turn) => turn,
        Joined::Waits(_) => panic!("nobody holds the key"),
    }
}

fn waiter(queue: &Arc<LocalQueue>, fail_fast: bool) -> Position {
    match queue.join(&key(), wants(fail_fast)) {
        Joined::Waits(position) => position,
        Joined::Turn(_) => panic!("somebody holds the key"),
    }
}

/// What a waiter has been sent so far.
fn outcome(position: &mut Position) -> Option<Outcome> {
    position.receiver.try_recv().ok()
}

#[test]
fn waiters_have_their_turns_in_the_order_in_which_they_came() {
    let queue = Arc::new(LocalQueue::default());
    let turn = first(&queue);
    let (mut second, mut third) = (waiter(&queue, false), waiter(&queue, false));
    assert_eq!(turn.waiting(), 2);
    drop(turn);
    let turn = outcome(&mut second);
    assert!(matches!(turn, Some(Outcome::Turn(_))), "{turn:?}");
    assert!(outcome(&mut third).is_none());
    drop(turn);
    assert!(matches!(outcome(&mut third), Some(Outcome::Turn(_))));
}

#[test]
fn a_waiter_that_gave_up_is_skipped() {
    let queue = Arc::new(LocalQueue::default());
    let turn = first(&queue);
    let (gives_up, mut waits) = (waiter(&queue, false), waiter(&queue, false));
    drop(gives_up);
    drop(turn);
    assert!(matches!(outcome(&mut waits), Some(Outcome::Turn(_))));
}

#[test]
fn nothing_is_left_of_the_last_turn() {
    let queue = Arc::new(LocalQueue::default());
    let turn = first(&queue);
    assert_eq!(queue.len(), 1);
    assert!(queue.try_turn(&key()).is_err(), "somebody has the turn");
    drop(turn);
    assert_eq!(queue.len(), 0);
    drop(first(&queue));
}

#[test]
fn an_outage_ends_the_wait_of_those_that_fail_fast_only() {
    let queue = Arc::new(LocalQueue::default());
    let turn = first(&queue);
    let (mut fails_fast, mut waits) = (waiter(&queue, true), waiter(&queue, false));
    turn.fail_fast(&Error::no_quorum(Some("k"), 1, 2, Vec::new()));
    assert!(matches!(
        outcome(&mut fails_fast),
        Some(Outcome::NoQuorum(_))
    ));
    assert!(outcome(&mut waits).is_none());
    assert_eq!(turn.waiting(), 1);
}
