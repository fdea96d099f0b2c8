//! The names of the options, and those that are not: slips, and words of other libraries.

use syn::Ident;

use crate::suggest;

pub(crate) const OPTIONS: [&str; 19] = [
    "key",
    "ttl",
    "lock",
    "wait",
    "no_wait",
    "at_least",
    "dedupe_for",
    "success",
    "keep_alive",
    "max_hold",
    "on_lost",
    "reentrant",
    "guard",
    "condition",
    "fail_open",
    "on_busy",
    "on_error",
    "fire",
    "crate",
];

/// What the option is called elsewhere, so that who comes from there finds it.
const ELSEWHERE: [(&str, &str); 22] = [
    ("name", "key"),
    ("keys", "key"),
    ("resource", "key"),
    ("expire", "ttl"),
    ("lease_time", "ttl"),
    ("lock_at_most_for", "ttl"),
    ("lock_at_least_for", "at_least"),
    ("acquire_timeout", "wait"),
    ("wait_time", "wait"),
    ("timeout", "wait"),
    ("refuse", "no_wait"),
    ("try_lock", "no_wait"),
    ("client", "lock"),
    ("redlock", "lock"),
    ("extend", "keep_alive"),
    ("renew", "keep_alive"),
    ("watchdog", "keep_alive"),
    ("settle", "dedupe_for"),
    ("auto_release", "dedupe_for"),
    ("fail_strategy", "on_error"),
    ("skip", "on_busy"),
    ("schedule", "fire"),
];

/// The option that an unknown name stands for: a slip, or a word of another library.
pub(crate) fn meant(text: &str) -> Option<&'static str> {
    let plain = text.replace('_', "").to_lowercase();
    let elsewhere = ELSEWHERE
        .iter()
        .find(|(other, _)| other.replace('_', "") == plain);
    elsewhere
        .map(|(_, option)| *option)
        .or_else(|| suggest::nearest(text, OPTIONS))
}

pub(crate) fn unknown(name: &Ident, meant: Option<&str>) -> syn::Error {
    let message = match meant {
        Some("on_busy") => format!("unknown option `{name}`; did you mean `on_busy = skip`?"),
        Some(near) => format!("unknown option `{name}`; did you mean `{near}`?"),
        None => format!(
            "unknown option `{name}`; there are {}",
            suggest::list(OPTIONS, "and")
        ),
    };
    syn::Error::new(name.span(), message)
}
