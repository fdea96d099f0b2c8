//! The names of the options, and those that are not: slips, and words of other libraries.

use syn::Ident;

use crate::suggest;

pub(crate) const OPTIONS: [&str; 19] = [
    "key",
    "ttl",
    "lock",
    "wait",
    "refuse",
    "at_least",
    "dedupe_for",
    "success",
    "extend",
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
const ELSEWHERE: [(&str, &str); 20] = [
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
    ("no_wait", "refuse"),
    ("try_lock", "refuse"),
    ("client", "lock"),
    ("redlock", "lock"),
    ("renew", "extend"),
    ("watchdog", "extend"),
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
