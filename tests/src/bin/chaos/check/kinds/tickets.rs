//! I12: a ticket is adopted once, with a larger token, and nobody else held the lock in between.

use std::collections::HashMap;

use super::super::{Check, Run, overlap};
use crate::history::{Grant, Kind};

pub(super) fn check(run: &Run) -> Check {
    let mut check = Check::of("I12 a ticket is adopted once");
    let grants = run.history.grants.iter();
    let senders: HashMap<&str, &Grant> = grants.map(|grant| (&*grant.id, grant)).collect();
    let mut adopters: HashMap<&str, &Grant> = HashMap::new();
    for grants in run.by_key(Kind::is_exclusive) {
        for &adopter in &grants {
            let Some(ticket) = &adopter.ticket else {
                continue;
            };
            if let Some(first) = adopters.insert(ticket, adopter) {
                violation(run, &mut check, first, adopter, "adopted one ticket, and");
            }
            let sender = senders.get(&**ticket).copied();
            match sender.filter(|sender| sender.detached.is_some()) {
                Some(sender) => handed_over(run, &grants, sender, adopter, &mut check),
                None => check.violation(format!(
                    "{}: {} adopted a ticket of {ticket}, which was not detached",
                    adopter.key, adopter.id
                )),
            }
        }
    }
    let detached = senders.values().filter(|grant| grant.detached.is_some());
    check.figures = format!("{} tickets, {} adopted", detached.count(), adopters.len());
    check
}

/// `grants` are those of the key.
fn handed_over(run: &Run, grants: &[&Grant], sender: &Grant, adopter: &Grant, check: &mut Check) {
    if adopter.token <= sender.token || sender.key != adopter.key {
        violation(run, check, sender, adopter, "sent it to");
    }
    let stranger = |grant: &&&Grant| {
        sender.token < grant.token
            && grant.token < adopter.token
            && overlap::held_until(run, grant) > grant.returned
    };
    if let Some(stranger) = grants.iter().find(stranger) {
        let text = format!("held it between {} and", sender.id);
        violation(run, check, stranger, adopter, &text);
    }
}

fn violation(run: &Run, check: &mut Check, one: &Grant, other: &Grant, text: &str) {
    let first = one.began.min(other.began);
    if run.flushed(first, one.returned.max(other.returned)) {
        check.excused += 1;
    } else {
        check.violation(format!(
            "{}: {} {text} {}",
            other.key,
            overlap::describe(run, one),
            overlap::describe(run, other)
        ));
    }
}
