//! The invariants of kinds of lock beside the plain one.

mod leaders;
mod permits;
mod register;
mod sides;
mod tickets;

#[cfg(test)]
mod tests;

use super::{Check, Run};
use crate::history::{History, Kind};

pub(super) fn all(run: &Run) -> Vec<Check> {
    vec![
        sides::check(run),
        permits::check(run),
        tickets::check(run),
        register::check(run),
        leaders::check(run),
    ]
}

/// How often each kind of grant occurred, and what was done with grants.
pub(crate) fn counts(history: &History) -> Vec<(String, usize)> {
    let of_kind = |kind: Kind| {
        let grants = history.grants.iter();
        let count = grants.filter(|grant| grant.kind == kind).count();
        (kind.to_string(), count)
    };
    let detached = history.grants.iter();
    let detached = detached.filter(|grant| grant.detached.is_some()).count();
    let written = history.writes.iter();
    let written = written.filter(|write| write.confirmed.is_some()).count();
    let mut counts: Vec<_> = Kind::ALL.map(of_kind).into();
    counts.push(("detached".to_owned(), detached));
    counts.push(("register write".to_owned(), written));
    counts.push(("register read".to_owned(), history.reads.len()));
    counts
}

/// The kinds that never occurred. Such a run proves less than it seems to.
pub(crate) fn missing(history: &History) -> Vec<String> {
    let never = counts(history).into_iter().filter(|(_, count)| *count == 0);
    never
        .map(|(name, _)| format!("there was no {name}"))
        .collect()
}
