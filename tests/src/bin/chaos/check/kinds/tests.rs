//! The checker finds violations of each kind in histories made by hand.

use super::super::tests::{SECOND, flush, grant, run};
use super::*;
use crate::config::PERMITS;
use crate::history::{Grant, RegisterRead, RegisterWrite, Version};
use crate::timestamp::Timestamp;

fn of(kind: Kind, grant: Grant) -> Grant {
    Grant { kind, ..grant }
}

fn read(token: u64, returned: Timestamp, valid_until: Timestamp) -> Grant {
    of(
        Kind::Read,
        grant(token, returned - 1, returned, valid_until),
    )
}

fn write(token: u64, returned: Timestamp, valid_until: Timestamp) -> Grant {
    of(
        Kind::Write,
        grant(token, returned - 1, returned, valid_until),
    )
}

#[test]
fn a_reader_beside_a_writer_is_found() {
    let violations = |grants| sides::check(&run(grants, Vec::new())).violations.len();
    assert_eq!(violations(vec![read(1, 1, 9), read(2, 2, 9)]), 0);
    assert_eq!(
        violations(vec![read(1, 1, 3), write(2, 4, 6), read(3, 7, 9)]),
        0
    );
    assert_eq!(violations(vec![write(1, 1, 5), read(2, 4, 9)]), 1);
    assert_eq!(violations(vec![read(1, 1, 9), write(2, 4, 6)]), 1);
    assert_eq!(violations(vec![write(1, 1, 9), write(2, 4, 6)]), 1);
    let flushed = sides::check(&run(vec![write(1, 1, 5), read(2, 4, 9)], vec![flush(3)]));
    assert_eq!((flushed.violations.len(), flushed.excused), (0, 1));
}

#[test]
fn tokens_out_of_the_order_of_the_writers_are_found() {
    let violations = |grants| sides::check(&run(grants, Vec::new())).violations.len();
    // Two readers between the same writers have any tokens.
    let readers = vec![
        write(3, 1, 2),
        read(7, 4, 5),
        read(7, 8, 9),
        read(5, 11, 12),
    ];
    assert_eq!(violations(readers), 0);
    assert_eq!(violations(vec![write(3, 1, 2), read(2, 4, 5)]), 1);
    assert_eq!(violations(vec![read(3, 1, 2), write(2, 4, 5)]), 1);
    assert_eq!(violations(vec![write(3, 1, 2), write(2, 4, 5)]), 1);
}

#[test]
fn one_permit_too_many_is_found() {
    let permit = |token| of(Kind::Permit, grant(token, 0, token, 90));
    let permits = |count: u64| run((1..=count).map(permit).collect(), Vec::new());
    let all = u64::from(PERMITS);
    assert!(permits::check(&permits(all)).violations.is_empty());
    assert_eq!(permits::check(&permits(all + 1)).violations.len(), 1);
    let mut released = permits(all + 1);
    released.history.grants[0].releasing = Some(2 * SECOND);
    assert!(permits::check(&released).violations.is_empty());
}

/// A ticket of the grant with token 1, adopted with tokens 5 and so on.
fn adopted(tokens: &[u64]) -> Run {
    let sender = Grant {
        releasing: Some(2 * SECOND),
        detached: Some(2 * SECOND),
        ..grant(1, 0, 1, 9)
    };
    let adopter = |token: &u64| Grant {
        ticket: Some("g1".to_owned()),
        releasing: Some((token + 1) * SECOND),
        ..of(Kind::Adopted, grant(*token, *token, *token, 90))
    };
    let adopters = tokens.iter().map(adopter);
    run([sender].into_iter().chain(adopters).collect(), Vec::new())
}

#[test]
fn a_ticket_that_is_adopted_twice_is_found() {
    assert!(tickets::check(&adopted(&[5])).violations.is_empty());
    // The first adopter is also a stranger between the sender and the second one.
    let twice = tickets::check(&adopted(&[5, 7])).violations;
    assert_eq!(twice.len(), 2, "{twice:?}");
    assert!(twice[0].contains("adopted one ticket"), "{twice:?}");
    let mut never = adopted(&[5]);
    never.history.grants[0].detached = None;
    assert_eq!(tickets::check(&never).violations.len(), 1);
}

#[test]
fn an_adoption_with_an_old_token_or_after_a_stranger_is_found() {
    let mut old = adopted(&[5]);
    old.history.grants[1].token = 1;
    assert_eq!(tickets::check(&old).violations.len(), 1);
    let mut stranger = adopted(&[5]);
    stranger.history.grants.insert(1, grant(3, 3, 3, 4));
    assert_eq!(tickets::check(&stranger).violations.len(), 1);
    stranger.history.grants[1].token = 6;
    assert!(tickets::check(&stranger).violations.is_empty());
}

#[test]
fn two_leaders_at_once_are_found() {
    let violations = |terms: Vec<Grant>| {
        let terms = terms.into_iter().map(|term| of(Kind::Term, term));
        leaders::check(&run(terms.collect(), Vec::new()))
            .violations
            .len()
    };
    assert_eq!(violations(vec![grant(1, 0, 1, 4), grant(2, 3, 5, 9)]), 0);
    assert_eq!(violations(vec![grant(1, 0, 1, 6), grant(2, 3, 5, 9)]), 1);
    // One after the other, and the second has the smaller token.
    assert_eq!(violations(vec![grant(2, 0, 1, 4), grant(1, 3, 5, 9)]), 1);
}

/// When a version was written and confirmed, in tenths of a second.
fn written(token: u64, called: Timestamp, confirmed: Option<Timestamp>) -> RegisterWrite {
    RegisterWrite {
        key: "k".into(),
        version: Version { token, seq: 1 },
        called: called * SECOND / 10,
        confirmed: confirmed.map(|at| at * SECOND / 10),
    }
}

/// When a token was found, in tenths of a second.
fn seen(found: Option<u64>, called: Timestamp, returned: Timestamp) -> RegisterRead {
    RegisterRead {
        client: "w1.1".into(),
        key: "k".into(),
        holder: Some(9),
        called: called * SECOND / 10,
        returned: returned * SECOND / 10,
        found: found.map(|token| Version { token, seq: 1 }),
    }
}

fn register(writes: Vec<RegisterWrite>, reads: Vec<RegisterRead>) -> usize {
    let mut run = run(Vec::new(), Vec::new());
    (run.history.writes, run.history.reads) = (writes, reads);
    register::check(&run).violations.len()
}

#[test]
fn a_confirmed_write_that_is_not_seen_is_found() {
    let writes = || vec![written(1, 0, Some(1)), written(2, 3, Some(4))];
    assert_eq!(register(writes(), vec![seen(Some(2), 5, 6)]), 0);
    assert_eq!(register(writes(), vec![seen(Some(1), 5, 6)]), 1);
    assert_eq!(register(writes(), vec![seen(None, 5, 6)]), 1);
    // It may be too early, or the value over.
    assert_eq!(register(writes(), vec![seen(Some(1), 2, 6)]), 0);
    assert_eq!(register(writes(), vec![seen(None, 22, 23)]), 0);
    let unconfirmed = || vec![written(1, 0, Some(1)), written(2, 3, None)];
    assert_eq!(register(unconfirmed(), vec![seen(Some(1), 5, 6)]), 0);
    assert_eq!(register(unconfirmed(), vec![seen(Some(2), 5, 6)]), 0);
}

#[test]
fn a_read_that_goes_back_is_found() {
    let writes = || vec![written(1, 0, Some(1)), written(2, 3, None)];
    let back = vec![seen(Some(2), 5, 6), seen(Some(1), 7, 8)];
    assert_eq!(register(writes(), back), 1);
    let concurrent = vec![seen(Some(2), 5, 8), seen(Some(1), 6, 7)];
    assert_eq!(register(writes(), concurrent), 0);
}

#[test]
fn a_value_from_nowhere_or_of_a_later_holder_or_over_is_found() {
    assert_eq!(register(Vec::new(), vec![seen(Some(3), 5, 6)]), 1);
    assert_eq!(
        register(vec![written(3, 7, None)], vec![seen(Some(3), 5, 6)]),
        1
    );
    assert_eq!(
        register(vec![written(10, 1, None)], vec![seen(Some(10), 5, 6)]),
        1
    );
    assert_eq!(
        register(vec![written(3, 0, Some(1))], vec![seen(Some(3), 40, 41)]),
        1
    );
}

#[test]
fn a_kind_that_never_occurred_is_missing() {
    let mut run = adopted(&[5]);
    let absent = missing(&run.history);
    assert_eq!(absent.len(), counts(&run.history).len() - 3, "{absent:?}");
    assert!(
        absent.contains(&"there was no term".to_owned()),
        "{absent:?}"
    );
    for kind in Kind::ALL {
        run.history.grants.push(of(kind, grant(1, 0, 1, 2)));
    }
    run.history.writes.push(written(1, 0, Some(1)));
    run.history.reads.push(seen(None, 0, 1));
    assert!(missing(&run.history).is_empty());
}
