//! Options that are missing, or wrong in combination.

use proc_macro2::Span;

use crate::args::{Args, OnLost, Options, Time};
use crate::errors::Errors;

pub(super) fn check(args: &Args, errors: &mut Errors) {
    missing(args, errors);
    let mut exclusions = args.options.exclusions();
    exclusions.sort_by_key(|(option, _)| args.position(option));
    for (option, reason) in exclusions {
        report(args, option, reason, errors);
    }
    combinations(args, errors);
}

/// The key and the ttl are required. One that is given, but wrong, is not reported again.
fn missing(args: &Args, errors: &mut Errors) {
    for (required, message) in [
        (
            "key",
            "`key` is missing: it names what is locked, for example `key = \"order:{order_id}\"`",
        ),
        (
            "ttl",
            "`ttl` is missing: it is the time until others take over after a crash, for example `ttl = \"10s\"`; \
             the lock is renewed while the body runs",
        ),
    ] {
        if !args.attempted(required) {
            errors.push(syn::Error::new(Span::call_site(), message));
        }
    }
}

/// Options that depend on the value of another one, or on its presence.
fn combinations(args: &Args, errors: &mut Errors) {
    let Options {
        keep_alive,
        max_hold,
        success,
        dedupe_for,
        on_lost,
        guard,
        fire,
        ..
    } = &args.options;
    for option in ["on_crash", "catch_up"] {
        if fire.is_none() && !args.attempted("fire") {
            let message = format!(
                "`{option}` is about a firing: add `fire = instant` with the instant that the scheduler has planned; or let \
                 `redlock.job(name, schedule)` be the scheduler"
            );
            report(args, option, &message, errors);
        }
    }
    if *keep_alive == Some(false) && max_hold.is_some() {
        let message =
            "`max_hold` limits the renewal; with `keep_alive = false` the lock ends with its `ttl`";
        report(args, "max_hold", message, errors);
    }
    if success.is_some() && dedupe_for.is_none() {
        let message =
            "`success` says after which values `dedupe_for` keeps the key busy; add `dedupe_for`";
        report(args, "success", message, errors);
    }
    if *on_lost == Some(OnLost::Signal) && guard.is_none() {
        let message = "with `on_lost = signal` the body continues after the lock is lost and has to notice it: name the \
                       lock with `guard = lock`, and look at `lock.is_lost()` or `lock.lost()`; or write `guard = _lock` \
                       if the body has to run to its end in any case";
        report(args, "on_lost", message, errors);
    }
    newest_wins(args, errors);
}

/// A call that supersedes older ones waits until they have stopped, and is ordered by its token.
fn newest_wins(args: &Args, errors: &mut Errors) {
    let Options {
        newest_wins,
        wait,
        no_wait,
        on_busy,
        fencing,
        fire,
        ..
    } = &args.options;
    if *newest_wins != Some(true) {
        return;
    }
    // Reported as exclusions.
    let other_reason = *no_wait == Some(true) || fire.is_some();
    if on_busy.is_some() && wait.is_none() && !args.attempted("wait") && !other_reason {
        let message = "`newest_wins` and `on_busy = skip` exclude each other without a `wait`: the older call has to stop \
                       first; add for example `wait = \"10s\"`, or leave one of them out";
        report(args, "newest_wins", message, errors);
    }
    if matches!(wait, Some(Time::Literal(wait, _)) if wait.is_zero()) {
        let message = "`newest_wins` and a `wait` of zero exclude each other: the older call has to stop first; leave one of \
                       them out";
        report(args, "newest_wins", message, errors);
    }
    if *fencing == Some(false) {
        let message = "`newest_wins` and `fencing = false` exclude each other: calls are ordered by their tokens; leave one of \
                       them out";
        report(args, "newest_wins", message, errors);
    }
}

fn report(args: &Args, option: &str, message: &str, errors: &mut Errors) {
    if let Some(given) = args.given(option) {
        errors.push(syn::Error::new(given.span(), message));
    }
}
