//! The checker finds violations in histories made by hand.

use super::*;

pub(super) const SECOND: Timestamp = 1_000_000_000;

/// A grant of key `k`: when it began, returned, and until when it was valid, in seconds.
pub(super) fn grant(
    token: u64,
    began: Timestamp,
    returned: Timestamp,
    valid_until: Timestamp,
) -> Grant {
    Grant {
        id: format!("g{token}"),
        client: format!("w{token}.1"),
        key: "k".into(),
        token,
        rounds: 1,
        called: began * SECOND,
        began: began * SECOND,
        returned: returned * SECOND,
        valid_until: valid_until * SECOND,
        ..Grant::default()
    }
}

pub(super) fn run(grants: Vec<Grant>, events: Vec<Event>) -> Run {
    Run {
        history: History {
            grants,
            ..History::default()
        },
        events,
        counters: Vec::new(),
        recovery: None,
        faults: (0, 0),
        strict: false,
        control: None,
    }
}

pub(super) fn flush(at: Timestamp) -> Event {
    Event {
        from: at * SECOND,
        to: at * SECOND,
        kind: EventKind::Flushed { node: 0 },
    }
}

#[test]
fn two_holders_at_once_are_found() {
    let apart = run(vec![grant(1, 0, 1, 5), grant(2, 5, 6, 9)], Vec::new());
    assert!(exclusion::check(&apart).violations.is_empty());
    let both = run(
        vec![grant(1, 0, 1, 9), grant(2, 2, 3, 4), grant(3, 5, 6, 7)],
        Vec::new(),
    );
    // The first overlaps both others, although one of them ends before the other begins.
    assert_eq!(exclusion::check(&both).violations.len(), 2);
}

#[test]
fn a_released_grant_overlaps_nothing() {
    let mut early = grant(1, 0, 1, 9);
    early.releasing = Some(2 * SECOND);
    let run = run(vec![early, grant(2, 2, 3, 9)], Vec::new());
    assert!(exclusion::check(&run).violations.is_empty());
}

#[test]
fn a_holder_that_ignores_its_loss_overlaps_the_next() {
    let mut lost = grant(1, 0, 1, 2);
    lost.releasing = Some(6 * SECOND);
    let mut run = run(vec![lost, grant(2, 3, 4, 9)], Vec::new());
    assert!(exclusion::check(&run).violations.is_empty());
    run.control = Some(Control::IgnoredLoss);
    run.faults.1 = 9 * SECOND;
    assert_eq!(exclusion::check(&run).violations.len(), 1);
}

#[test]
fn a_flush_in_between_is_an_excuse_unless_the_guard_covers_it() {
    let grants = || vec![grant(1, 0, 1, 9), grant(2, 4, 5, 9)];
    let flushed = exclusion::check(&run(grants(), vec![flush(3)]));
    assert_eq!((flushed.violations.len(), flushed.excused), (0, 1));
    let before = exclusion::check(&run(
        vec![grant(1, 2, 3, 9), grant(2, 4, 5, 9)],
        vec![flush(1)],
    ));
    assert_eq!((before.violations.len(), before.excused), (1, 0));
    let mut strict = run(grants(), vec![flush(3)]);
    strict.strict = true;
    assert_eq!(exclusion::check(&strict).violations.len(), 1);
}

#[test]
fn tokens_that_decrease_or_repeat_are_found() {
    let increasing = run(vec![grant(1, 0, 1, 2), grant(2, 3, 4, 5)], Vec::new());
    assert!(tokens::check(&increasing).violations.is_empty());
    let decreasing = run(vec![grant(2, 0, 1, 2), grant(1, 3, 4, 5)], Vec::new());
    assert_eq!(tokens::check(&decreasing).violations.len(), 1);
    let repeated = run(vec![grant(7, 0, 1, 2), grant(7, 3, 4, 5)], Vec::new());
    assert_eq!(tokens::check(&repeated).violations.len(), 2);
    // Concurrent requests have no order.
    let concurrent = run(vec![grant(2, 0, 4, 2), grant(1, 1, 3, 2)], Vec::new());
    assert!(tokens::check(&concurrent).violations.is_empty());
}
