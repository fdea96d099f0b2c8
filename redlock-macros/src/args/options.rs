//! The table of the options. A row contains everything that the parser knows about its option.
//!
//! A row has the syntax of the option, its default, its names in other libraries, its parser, the options that exclude it with
//! the reasons, and the statement that sets it on the call. Its doc comment is its line in the documentation.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::ParseStream;
use syn::spanned::Spanned as _;
use syn::{Expr, Ident, Path};

use super::key::Key;
use super::suggest::nearest;
use super::table::options;
use super::value::{
    OnBusy, OnCrash, OnLost, Time, is_on, parse_expr, parse_flag, parse_guard, parse_path,
};
use crate::spans::{here, local, local_at};

options! {
    /// What is locked, see *The key*.
    key, "key": Key {
        written: "key = \"order:{id}\"",
        default: "required",
        elsewhere: ["name", "keys", "resource"],
        parse: Key::parse,
        excludes: [],
        statement: separate,
    }

    /// The time until others take over after a crash of this process; the lock is renewed while the body runs. At most the
    /// client's `max_ttl`, 60 s by default.
    ttl, "ttl": Time {
        written: "ttl = time",
        default: "required",
        elsewhere: ["expire", "lease_time", "lock_at_most_for"],
        parse: |name, input| {
            Time::parse(name, input)?
                .not_zero("a `ttl` of zero has expired before it begins; write for example \"10s\"")?
                .not_below(MIN_TTL, "a `ttl` must be at least 10 ms, so that the nodes can answer in time")?
                .at_most_a_year(name)
        },
        excludes: [],
        statement: separate,
    }

    /// A `Redlock`, or anything that dereferences to one. The process default is set by
    /// [`set_default`](../redlock/fn.set_default.html); without one, the call fails with *not configured*.
    lock, "lock": Expr {
        written: "lock = expression",
        default: "the process default",
        elsewhere: ["client", "redlock"],
        parse: parse_expr,
        excludes: [],
        statement: |lock, Target { call, .. }| quote_spanned!(here(lock.span())=> #call.on(&(#lock));),
    }

    /// The maximum time to wait while another holds the lock.
    wait, "wait": Time {
        written: "wait = time",
        default: "that of the client, 10 s",
        elsewhere: ["acquire_timeout", "wait_time", "timeout"],
        parse: Time::parse,
        excludes: [
            fire => "`fire` never waits: the replica that holds the firing runs it, and the others skip it"
        ],
        statement: |time, target| target.set_some("wait", time),
    }

    /// Makes one attempt. If another holds the lock, the call fails at once.
    no_wait, "no_wait": bool {
        written: "no_wait",
        default: "waits",
        elsewhere: ["refuse", "try_lock"],
        parse: parse_flag,
        excludes: [wait => "`no_wait` and `wait` exclude each other: `no_wait` is `wait = \"0s\"`"],
        statement: |on, target| match on {
            true => target.set_some("wait", &quote!(::core::time::Duration::ZERO)),
            false => TokenStream::new(),
        },
    }

    /// Returns without running the body while another holds the lock, see *Returns*. Does not wait unless `wait` is given.
    on_busy, "on_busy": OnBusy {
        written: "on_busy = skip",
        default: "an error",
        elsewhere: ["skip"],
        parse: OnBusy::parse,
        excludes: [],
        statement: |OnBusy::Skip, Target { call, .. }| quote!(#call.skip_busy();),
    }

    /// Converts the error into the returned value, see *Returns*.
    on_error, "on_error": Expr {
        written: "on_error = function",
        default: "`From`",
        elsewhere: ["fail_strategy"],
        parse: parse_expr,
        excludes: [],
        statement: separate,
    }

    /// Keeps the key busy for at least this long from the grant, also if the body is faster, fails or panics.
    at_least, "at_least": Time {
        written: "at_least = time",
        default: "0",
        elsewhere: ["lock_at_least_for"],
        parse: window,
        excludes: [
            reentrant => "`at_least` and `reentrant` exclude each other: a joined lock belongs to the caller, so this function \
                          cannot keep it busy"
        ],
        statement: |time, target| target.set_some("at_least", time),
    }

    /// Keeps the key busy for this long after a success: calls in that time fail at once with *cooling down*. After a
    /// failure the key is free at once.
    dedupe_for, "dedupe_for": Time {
        written: "dedupe_for = time",
        default: "none",
        elsewhere: ["settle", "auto_release"],
        parse: window,
        excludes: [
            fire => "`dedupe_for` and `fire` exclude each other: a firing is never repeated, and `at_least` says for how long \
                     it is remembered",
            reentrant => "`dedupe_for` and `reentrant` exclude each other: a joined lock belongs to the caller, so this \
                          function cannot keep it busy"
        ],
        statement: separate,
    }

    /// A function from a reference to the returned value to `bool`: whether the value is a success for `dedupe_for`.
    success, "success": Expr {
        written: "success = function",
        default: "see *Success*",
        elsewhere: [],
        parse: parse_expr,
        excludes: [],
        statement: separate,
    }

    /// Whether the lock is renewed. Without renewal the lock is lost when its ttl is over, and the body is cancelled.
    keep_alive, "keep_alive": bool {
        written: "keep_alive = false",
        default: "`true`",
        elsewhere: ["extend", "renew", "watchdog"],
        parse: parse_flag,
        excludes: [],
        statement: |on, target| target.set("keep_alive", on),
    }

    /// The maximum time that the lock is held. Then it is lost, and the body is cancelled.
    max_hold, "max_hold": Time {
        written: "max_hold = time",
        default: "no limit",
        elsewhere: ["max_run"],
        parse: |name, input| {
            Time::parse(name, input)?
                .not_zero("a `max_hold` of zero loses the lock at once; write for example \"5m\"")
        },
        excludes: [
            reentrant => "`max_hold` and `reentrant` exclude each other: a joined lock belongs to the caller and does not end \
                          with this function; give `max_hold` to the caller, or wrap the body in `tokio::time::timeout`"
        ],
        statement: |time, target| target.set_some("max_hold", time),
    }

    /// With `signal`, the body continues when the lock is lost, and has to watch its `guard`.
    on_lost, "on_lost": OnLost {
        written: "on_lost = signal",
        default: "`cancel`",
        elsewhere: [],
        parse: OnLost::parse,
        excludes: [],
        statement: |on_lost, Target { call, .. }| match on_lost {
            OnLost::Cancel => TokenStream::new(),
            OnLost::Signal => quote!(#call.signal_lost();),
        },
    }

    /// The name of the held lock inside the body: its key, its fencing token, `remaining()`, `lost()`. With `condition` or
    /// `fail_open` it is an `Option`.
    guard, "guard": Ident {
        written: "guard = name",
        default: "none",
        elsewhere: [],
        parse: parse_guard,
        excludes: [],
        statement: separate,
    }

    /// Whether the lock has a fencing token.
    fencing, "fencing": bool {
        written: "fencing = false",
        default: "that of the client, `true`",
        elsewhere: [],
        parse: parse_flag,
        excludes: [],
        statement: |on, target| target.set_some("fencing", on),
    }

    /// Fails after the first attempt if no quorum answers. If another holds the lock, the call waits as usual.
    fail_fast, "fail_fast": bool {
        written: "fail_fast",
        default: "tries again until `wait` is over",
        elsewhere: [],
        parse: parse_flag,
        excludes: [],
        statement: |on, target| target.set("fail_fast", on),
    }

    /// A [`WaiterLimit`](../redlock/struct.WaiterLimit.html): a call that would exceed it fails with *too many waiters*
    /// instead of waiting.
    max_waiters, "max_waiters": Expr {
        written: "max_waiters = expression",
        default: "no limit",
        elsewhere: [],
        parse: parse_expr,
        excludes: [],
        statement: |limit, target| {
            let limit = quote_spanned!(here(limit.span())=> ::core::clone::Clone::clone(&(#limit)));
            target.set_some("max_waiters", &limit)
        },
    }

    /// How many calls may run at the same time, over all processes: a semaphore instead of an exclusive lock.
    permits, "permits": Expr {
        written: "permits = number",
        default: "one, by a lock",
        elsewhere: [],
        parse: parse_expr,
        excludes: [
            dedupe_for => "`permits` and `dedupe_for` exclude each other: during the window another permit may be free; leave one \
                           of them out",
            reentrant => "`permits` and `reentrant` exclude each other: a permit cannot be joined; leave one of them out"
        ],
        statement: |permits, target| target.set_some("permits", permits),
    }

    /// Calls may run at the same time, over all processes, while none of them writes: one side of a read/write lock.
    read, "read": bool {
        written: "read",
        default: "an exclusive lock",
        elsewhere: [],
        parse: parse_flag,
        excludes: [
            write => "`read` and `write` exclude each other: leave one of them out; a writer may read as well",
            permits => "`read` and `permits` exclude each other: a semaphore has no sides; leave one of them out",
            dedupe_for => "`read` and `dedupe_for` exclude each other: nobody has to be kept out after a reader; leave one of them \
                           out",
            at_least => "`read` and `at_least` exclude each other: nobody has to be kept out after a reader; leave one of them out"
        ],
        statement: |on, target| target.set("read", on),
    }

    /// A call runs alone, while no other call reads or writes: the other side of a read/write lock.
    write, "write": bool {
        written: "write",
        default: "an exclusive lock",
        elsewhere: [],
        parse: parse_flag,
        excludes: [
            permits => "`write` and `permits` exclude each other: a semaphore has no sides; leave one of them out"
        ],
        statement: |on, target| target.set("write", on),
    }

    /// The newest call supersedes the older ones, in all processes: they fail with *superseded*, and a body that runs is cancelled.
    newest_wins, "newest_wins": bool {
        written: "newest_wins",
        default: "calls run in turn",
        elsewhere: ["preempt"],
        parse: parse_flag,
        excludes: [
            no_wait => "`newest_wins` and `no_wait` exclude each other: the older call has to stop first; leave one of them out",
            dedupe_for => "`newest_wins` and `dedupe_for` exclude each other: a cool-down refuses the newest call; leave one \
                           of them out",
            at_least => "`newest_wins` and `at_least` exclude each other: it keeps the newest call out; leave one of them out",
            permits => "`newest_wins` and `permits` exclude each other: a semaphore has several holders; leave one of them out",
            read => "`newest_wins` and `read` exclude each other: readers run beside each other; leave one of them out",
            write => "`newest_wins` and `write` exclude each other: readers are not superseded; leave one of them out",
            reentrant => "`newest_wins` and `reentrant` exclude each other: a joined lock belongs to the caller; leave one of \
                          them out",
            fire => "`newest_wins` and `fire` exclude each other: a firing runs once, and each has a lock of its own; leave one \
                     of them out"
        ],
        statement: |on, target| target.set("newest_wins", on),
    }

    /// Joins the lock of the caller if this task holds the same key.
    reentrant, "reentrant": bool {
        written: "reentrant",
        default: "the error *already held*",
        elsewhere: [],
        parse: parse_flag,
        excludes: [],
        statement: |on, target| target.set("reentrant", on),
    }

    /// If it is false, the body runs without the lock.
    condition, "condition": Expr {
        written: "condition = expression",
        default: "`true`",
        elsewhere: [],
        parse: parse_expr,
        excludes: [],
        statement: |condition, Target { call, .. }| {
            quote_spanned!(here(condition.span())=> #call.only_if(#condition);)
        },
    }

    /// Runs the body without the lock, with a warning, if no quorum answers the first attempt. If another holds the lock, the
    /// call waits as usual.
    fail_open, "fail_open": bool {
        written: "fail_open",
        default: "an error",
        elsewhere: [],
        parse: parse_flag,
        excludes: [],
        statement: |on, Target { call, .. }| match on {
            true => quote!(#call.fail_open();),
            false => TokenStream::new(),
        },
    }

    /// Runs once for each firing of a schedule, see *Schedules*.
    fire, "fire": Expr {
        written: "fire = expression",
        default: "none",
        elsewhere: ["schedule"],
        parse: parse_expr,
        excludes: [
            reentrant => "`fire` and `reentrant` exclude each other: a joined lock belongs to the caller, so this function \
                          cannot keep it busy"
        ],
        statement: fire,
    }

    /// With `rerun`, the other replicas wait while one runs the firing, and one of them runs it again if that one crashes or
    /// loses the lock.
    on_crash, "on_crash": OnCrash {
        written: "on_crash = rerun",
        default: "`skip`",
        elsewhere: ["requests_recovery"],
        parse: OnCrash::parse,
        excludes: [
            no_wait => "`on_crash = rerun` and `no_wait` exclude each other: the other replicas wait, to see whether the one \
                        that runs the firing crashes",
            max_hold => "`on_crash = rerun` and `max_hold` exclude each other: a lost lock counts as a crash, so each replica \
                         in turn would run a body that takes too long; wrap the body in `tokio::time::timeout`"
        ],
        statement: |on_crash, Target { call, .. }| match on_crash {
            OnCrash::Skip => TokenStream::new(),
            OnCrash::Rerun => quote!(#call.rerun_crashed();),
        },
    }

    /// How late a firing may begin. An older one is skipped, and a firing that has ended is remembered for as long.
    catch_up, "catch_up": Time {
        written: "catch_up = time",
        default: "any firing; remembered for 10 min",
        elsewhere: ["misfire_threshold", "starting_deadline"],
        parse: window,
        excludes: [
            at_least => "`catch_up` and `at_least` exclude each other: both say for how long a firing is remembered; leave \
                         `at_least` out"
        ],
        statement: |window, Target { call, .. }| quote!(#call.catch_up(#window);),
    }

    /// The path of the crate if it is re-exported.
    krate, "crate": Path {
        written: "crate = path",
        default: "`::redlock`, or its name in `Cargo.toml`",
        elsewhere: [],
        parse: parse_path,
        excludes: [],
        statement: separate,
    }
}

/// The shortest ttl that a client accepts.
const MIN_TTL: Duration = Duration::from_millis(10);

/// What a statement refers to.
pub(crate) struct Target<'a> {
    /// The variable that holds the call.
    call: &'a Ident,
    /// The path of the crate.
    krate: &'a TokenStream,
    /// Whether the age of a firing matters, so that it has to be an instant.
    dated: bool,
}

impl Target<'_> {
    /// Sets a field of `LockOptions`.
    fn set(&self, field: &str, value: &impl ToTokens) -> TokenStream {
        let (call, field) = (self.call, Ident::new(field, Span::call_site()));
        quote!(#call.options.#field = #value;)
    }

    /// Sets an optional field of `LockOptions`.
    fn set_some(&self, field: &str, value: &impl ToTokens) -> TokenStream {
        self.set(field, &quote!(::core::option::Option::Some(#value)))
    }
}

impl Options {
    /// The option that is probably meant by an unknown name: a misspelt one, or that of another library.
    pub(crate) fn meant(unknown: &str) -> Option<&'static str> {
        let plain = unknown.replace('_', "").to_lowercase();
        let elsewhere = |(other, _): &&(&str, &str)| other.replace('_', "") == plain;
        match Self::ELSEWHERE.iter().find(elsewhere) {
            Some((_, ours)) => Some(ours),
            None => nearest(unknown, Self::NAMES.iter().copied()),
        }
    }
}

/// An option with a place of its own in the expansion, not a statement on the call.
fn separate<T>(_: &T, _: &Target<'_>) -> TokenStream {
    TokenStream::new()
}

/// A duration for which a key stays busy.
fn window(name: &Ident, input: ParseStream<'_>) -> syn::Result<Time> {
    Time::parse(name, input)?
        .not_zero(&format!("`{name}` of zero has no effect; leave it out"))?
        .at_most_a_year(name)
}

/// Names the firing before the first await, so that the future does not hold what the expression borrows.
fn fire(fire: &Expr, Target { call, krate, dated }: &Target<'_>) -> TokenStream {
    let (value, firing) = (local_at("value", fire.span()), local("firing"));
    let other = match dated {
        false => quote!(FiringText),
        true => quote!(FiringUndated),
    };
    quote_spanned! {here(fire.span())=>
        let #firing = match &(#fire) {
            #value => {
                #[allow(unused_imports)]
                use #krate::__private::{
                    FiringSince as _, FiringSinceRef as _, FiringTime as _, FiringTimeRef as _, #other as _,
                };
                (&&&&&#krate::__private::Firing(#value)).__redlock_firing()
            }
        };
        #call.fire(#firing);
    }
}
