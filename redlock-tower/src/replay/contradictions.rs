//! Options of the lock under which no replay can keep its promise. Each request of such a layer is rejected.

use redlock::{Error, LockOptions};

/// What is put inside of the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inside {
    Replay,
    Share,
}

/// The first of them, if the options have one.
pub(super) fn of(options: &LockOptions, inside: Inside) -> Option<Error> {
    let shares = inside == Inside::Share;
    let name = if shares { "share" } else { "replay" };
    let alone = "duplicates have to run one at a time, under an exclusive lock";
    let contradicting = [
        (
            "newest_wins",
            options.newest_wins,
            "a duplicate gets the response of the first request, and must not supersede it",
        ),
        ("permits", options.permits.is_some(), alone),
        ("read", options.read, alone),
        ("write", options.write, alone),
        (
            "at_least",
            shares && options.at_least.is_some_and(|least| !least.is_zero()),
            "it refuses the duplicates that wait for the response",
        ),
    ];
    let (option, _, why) = contradicting.iter().find(|(_, given, _)| *given)?;
    Some(redlock::__private::invalid_config(format!(
        "`{option}` and `{name}` contradict each other: {why}. Leave one of them out"
    )))
}
