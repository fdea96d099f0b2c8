//! Options under which no replay can keep its promise. Each request of such a layer is rejected.

use redlock::{Error, LockOptions};
use std::time::Duration;

/// What is put inside of the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inside {
    Replay,
    Share,
}

/// The first of them, if the options have one. `ttl`: how long a record is kept.
pub(super) fn of(options: &LockOptions, inside: Inside, ttl: Duration) -> Option<Error> {
    with_the_lock(options, inside).or_else(|| of_time(inside, ttl))
}

/// A record that ends at once is never replayed, and none is kept for ever.
fn of_time(inside: Inside, ttl: Duration) -> Option<Error> {
    let (name, least, remedy) = match inside {
        Inside::Replay => (
            "a ttl of `replay`",
            Duration::from_millis(1),
            "keep for longer in a database what was done",
        ),
        Inside::Share => (
            "the `wait` together with the window of `share`",
            Duration::ZERO,
            "nobody waits that long for a response",
        ),
    };
    redlock::__private::check_duration(name, ttl, least, remedy).err()
}

fn with_the_lock(options: &LockOptions, inside: Inside) -> Option<Error> {
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
