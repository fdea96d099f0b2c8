//! Properties of the pure decisions for any input.

use std::time::Duration;

use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    backoff::{self, Refusal, WakeUp},
    node_set::{NodeSet, quorum},
    restart_guard::{guard_time, on_first_sight},
    tally::{Decision, Rule, Tally},
    token::FencingToken,
    token_block::TokenBlock,
    token_clock::TokenClock,
    validity::{MIN_TTL, drift, usable},
};
use crate::{
    command::Reply,
    env::clock::Instant,
    fault::{Fault, FaultKind},
};

fn reply() -> impl Strategy<Value = Reply> {
    let left = (0..60_000_u64).prop_map(Duration::from_millis);
    let held = (
        left.clone(),
        0..1_000_u64,
        1..4_u64,
        any::<bool>(),
        any::<bool>(),
    );
    prop_oneof![
        4 => Just(Reply::Yes),
        2 => held.prop_map(|(left, fence, by, cools, notifies)| Reply::Held { left, fence, by, label: None, cools, notifies }),
        2 => (0..1_000_u64).prop_map(|fence| Reply::Stale { fence }),
        1 => Just(Reply::Gone),
        1 => Just(Reply::Restored),
        1 => left.clone().prop_map(|left| Reply::Quarantined { left }),
        1 => left.prop_map(|left| Reply::Forgot { left }),
        1 => Just(Reply::Failed(Fault::unknown(FaultKind::TimedOut, "silent"))),
        1 => Just(Reply::Failed(Fault::untouched(FaultKind::Unreachable, "refused"))),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    select(vec![Rule::Acquire, Rule::Extend, Rule::Confirm])
}

/// The replies of some of the nodes, each with its node.
fn round() -> impl Strategy<Value = (usize, Vec<(usize, Reply)>)> {
    (1..8_usize).prop_flat_map(|nodes| (Just(nodes), vec((0..nodes, reply()), 0..nodes * 2)))
}

fn tally_of(nodes: usize, rule: Rule, replies: &[(usize, Reply)]) -> Tally {
    let mut tally = Tally::new(nodes, rule);
    for (node, reply) in replies {
        tally.record(*node, reply.clone());
    }
    tally
}

/// The first reply of each node: the only one that counts.
fn first_replies(replies: &[(usize, Reply)]) -> Vec<(usize, Reply)> {
    let mut seen = NodeSet::default();
    let mut first = Vec::new();
    for (node, reply) in replies {
        if !seen.contains(*node) {
            seen.insert(*node);
            first.push((*node, reply.clone()));
        }
    }
    first
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_quorums_share_a_node(nodes in 1..=NodeSet::MAX) {
        prop_assert!(quorum(nodes) * 2 > nodes);
        prop_assert!(quorum(nodes) <= nodes);
    }

    #[test]
    fn a_round_is_won_by_a_majority_of_first_replies_only((nodes, replies) in round(), rule in rule()) {
        let first = first_replies(&replies);
        let yes = first.iter().filter(|(_, reply)| matches!(reply, Reply::Yes)).count();
        let tally = tally_of(nodes, rule, &replies);
        prop_assert_eq!(tally.decision() == Some(Decision::Won), yes >= quorum(nodes));
        prop_assert_eq!(tally.yes().len(), yes);
    }

    #[test]
    fn a_win_or_a_loss_is_final((nodes, replies) in round(), rule in rule()) {
        let last = tally_of(nodes, rule, &replies).decision_at_deadline();
        for end in 0..replies.len() {
            match tally_of(nodes, rule, &replies[..end]).decision() {
                Some(decision @ (Decision::Won | Decision::Gone)) => prop_assert_eq!(decision, last),
                // Stale tokens are retried at once, even if other nodes may still say yes.
                Some(Decision::Stale) | None => {}
                Some(_) => prop_assert_ne!(last, Decision::Won),
            }
        }
    }

    #[test]
    fn a_round_is_decided_when_all_nodes_have_answered(nodes in 1..8_usize, rule in rule(), replies in vec(reply(), 8)) {
        let all: Vec<_> = replies.into_iter().take(nodes).enumerate().collect();
        prop_assert!(tally_of(nodes, rule, &all).decision().is_some());
    }

    #[test]
    fn a_key_counts_as_cooling_down_only_if_no_quorum_is_possible((nodes, replies) in round()) {
        let first = first_replies(&replies);
        let cooling = first.iter().filter(|(_, reply)| matches!(reply, Reply::Held { cools: true, .. })).count();
        let tally = tally_of(nodes, Rule::Acquire, &replies);
        prop_assert_eq!(tally.cooling_down().is_some(), nodes - cooling < quorum(nodes));
        // A refusal before all have answered knows whether it is because of a cool-down.
        if tally.decision() == Some(Decision::Refused) && tally.cooling_down().is_none() {
            let silent = nodes - first.len();
            prop_assert!(cooling == 0 || nodes - cooling - silent >= quorum(nodes));
        }
    }

    #[test]
    fn a_lock_is_gone_only_if_a_majority_no_longer_holds_it((nodes, replies) in round()) {
        let not_held = |reply: &Reply| matches!(reply, Reply::Gone | Reply::Restored | Reply::Held { .. });
        let no = first_replies(&replies).iter().filter(|(_, reply)| not_held(reply)).count();
        let forgot = |reply: &Reply| matches!(reply, Reply::Forgot { .. });
        let forgot = first_replies(&replies).iter().filter(|(_, reply)| forgot(reply)).count();
        let gone = tally_of(nodes, Rule::Extend, &replies).decision() == Some(Decision::Gone);
        prop_assert!(!gone || no.max(forgot) >= quorum(nodes));
    }

    #[test]
    fn a_release_goes_to_every_node_that_may_hold_the_lock((nodes, replies) in round()) {
        let touched = tally_of(nodes, Rule::Acquire, &replies).touched();
        let first = first_replies(&replies);
        for node in 0..nodes {
            let said = first.iter().find(|(of, _)| *of == node).map(|(_, reply)| reply);
            let untouched = match said {
                Some(Reply::Held { .. } | Reply::Stale { .. }) => true,
                Some(Reply::Failed(fault)) => fault.untouched,
                _ => false,
            };
            prop_assert_eq!(touched.contains(node), !untouched);
        }
    }

    #[test]
    fn a_retracted_yes_does_not_count((nodes, replies) in round(), node in 0..8_usize) {
        let mut tally = tally_of(nodes, Rule::Acquire, &replies);
        let before = tally.yes();
        if before.contains(node) {
            tally.retract(node, Duration::from_secs(1));
            prop_assert_eq!(tally.yes(), before.difference(NodeSet::only(node)));
            prop_assert!(tally.touched().contains(node));
        }
    }

    #[test]
    fn the_highest_fence_in_any_reply_counts((nodes, replies) in round()) {
        let first = first_replies(&replies);
        let fences = first.iter().filter_map(|(_, reply)| match reply {
            Reply::Held { fence, .. } | Reply::Stale { fence } => Some(*fence),
            _ => None,
        });
        prop_assert_eq!(tally_of(nodes, Rule::Acquire, &replies).fence, fences.max().unwrap_or(0));
    }

    #[test]
    fn validity_is_shorter_than_the_ttl_and_grows_with_it(a in 0..u64::from(u32::MAX), b in 0..u64::from(u32::MAX)) {
        let (short, long) = (Duration::from_millis(a.min(b)), Duration::from_millis(a.max(b)));
        prop_assert!(usable(short) <= usable(long));
        prop_assert!(usable(long) + drift(long) == long || usable(long).is_zero());
        // Nodes whose clocks are 1 % fast still hold the key.
        prop_assert!(usable(long) <= long - long / 100);
        prop_assert!(long < MIN_TTL || !usable(long).is_zero());
    }

    #[test]
    fn no_lock_outlives_the_guard_time(ttl in 10..120_000_u64, skew in 0..10_000_u64) {
        let (ttl, skew) = (Duration::from_millis(ttl), Duration::from_millis(skew));
        prop_assert!(guard_time(ttl, skew) >= ttl + ttl / 100 + skew);
    }

    #[test]
    fn a_new_node_votes_at_once_if_it_is_old_or_as_young_as_all_others(age in 0..200_000_u64, oldest in 0..200_000_u64, guard in 1..70_000_u64) {
        let (age, oldest, guard) = (age.min(oldest), Duration::from_millis(oldest), Duration::from_millis(guard));
        let age = Duration::from_millis(age);
        match on_first_sight(age, oldest, guard) {
            None => prop_assert!(age >= guard || oldest < guard),
            Some(left) => prop_assert_eq!(age + left, guard),
        }
    }

    #[test]
    fn a_token_is_above_its_floor_or_there_is_none(now in 0..u64::MAX, floor in 0..u64::MAX) {
        let (clock, now) = (TokenClock::new(1, Instant::from_micros(0), Duration::from_secs(5)), Instant::from_micros(now));
        match clock.propose(now, floor) {
            Some(token) => prop_assert!(token > floor && token < FencingToken::LIMIT),
            None => prop_assert!(floor.max(clock.micros(now)).saturating_add(1) >= FencingToken::LIMIT),
        }
    }

    #[test]
    fn tokens_of_a_client_increase_whatever_its_clock_does(
        steps in vec((0..2_000_000_u64, proptest::option::of(0..4_000_000_u64), 0..3_usize), 1..40),
    ) {
        let clock = TokenClock::new(3, Instant::from_micros(0), Duration::from_secs(1));
        let bound = 1_000_000 + TokenBlock::MOST_AHEAD + 1;
        let (mut now, mut last) = (0, 0);
        for (passes, ahead, node) in steps {
            now += passes;
            let at = Instant::from_micros(now);
            if let Some(ahead) = ahead {
                clock.calibrate(node, now + ahead, at);
                clock.learn(clock.micros(at) + ahead, at);
            }
            let token = clock.propose(at, 0).expect("a token");
            prop_assert!(token > last);
            // However far ahead a fence is, the learnt lead stays within the bound.
            prop_assert!(token <= (clock.micros(at) + bound).max(last + 1));
            last = token;
        }
    }

    #[test]
    fn a_sleep_is_bounded_and_never_ends_in_the_last_millisecond(
        free in 0..100_000_u64, number in 0..200_u32, jitter in 0.0..1.0_f64, wake_up in select(vec![WakeUp::Never, WakeUp::Possible, WakeUp::Promised]),
    ) {
        const LONGEST: Duration = Duration::from_millis(37_500);
        let free = Duration::from_millis(free);
        for refusal in [Refusal::FreeIn(free), Refusal::Split, Refusal::Outage] {
            prop_assert!(backoff::delay(refusal, number, jitter, wake_up) <= LONGEST);
        }
        let sleep = backoff::delay(Refusal::FreeIn(free), number, jitter, wake_up);
        let shortest_look = Duration::from_millis(30);
        prop_assert!(sleep > free || sleep >= shortest_look);
    }

    #[test]
    fn a_quorum_is_free_when_enough_leases_have_ended(left in vec(0..1_000_u64, 0..7), needed in 1..5_usize) {
        let mut leases: Vec<_> = left.into_iter().map(Duration::from_millis).collect();
        match backoff::quorum_free_in(&mut leases.clone(), needed) {
            Some(free) => {
                prop_assert!(leases.iter().filter(|left| **left <= free).count() >= needed);
                prop_assert!(leases.iter().filter(|left| **left < free).count() < needed);
            }
            None => {
                leases.truncate(needed);
                prop_assert!(leases.len() < needed);
            }
        }
    }
}
