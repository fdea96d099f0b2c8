//! Mistakes that no option makes alone: what is missing, and what contradicts something else.

use proc_macro2::Span;

use crate::attr::{Args, OnLost};
use crate::errors::Errors;

impl Args {
    /// A key and a ttl there must be. One that is only written wrongly has its error already.
    pub(crate) fn require(&self, errors: &mut Errors) {
        let missing = |name: &str| {
            !self.meant.contains(&name) && !self.given.iter().any(|given| given == name)
        };
        if missing("key") {
            errors.push(syn::Error::new(
                Span::call_site(),
                "`key` is missing: what is locked? For example `key = \"order:{order_id}\"`",
            ));
        }
        if missing("ttl") {
            errors.push(syn::Error::new(
                Span::call_site(),
                "`ttl` is missing: how long may the lock outlive a crash? For example `ttl = \"10s\"`; \
                 the lock of a body that runs longer is renewed",
            ));
        }
    }

    /// Options that are fine alone, and senseless together.
    pub(crate) fn contradictions(&self) -> syn::Result<()> {
        let on = |name: &str| match name {
            "no_wait" => self.no_wait,
            "reentrant" => self.reentrant,
            _ => self.given.iter().any(|given| given == name),
        };
        let mut errors = Errors::default();
        let mut clash = |name: &str, with: &str, message: &str| {
            let written = self.given.iter().find(|given| *given == name);
            if let Some(written) = written.filter(|_| on(name) && on(with)) {
                errors.push(syn::Error::new(written.span(), message));
            }
        };
        clash(
            "no_wait",
            "wait",
            "either `no_wait` or `wait`: `no_wait` is to wait for no time at all",
        );
        clash(
            "wait",
            "fire",
            "`fire` does not wait: who holds the firing has it, and no other replica runs it",
        );
        clash(
            "dedupe_for",
            "fire",
            "a firing is never repeated; `at_least` says for how long it is remembered",
        );
        for option in ["dedupe_for", "at_least", "fire"] {
            let message = format!(
                "`{option}` and `reentrant` contradict each other: a joined lock belongs to the caller, \
                 and cannot be kept busy from in here"
            );
            clash(option, "reentrant", &message);
        }
        clash(
            "max_hold",
            "reentrant",
            "`max_hold` and `reentrant` contradict each other: a joined lock belongs to the caller, and does not end in \
             here; bound the caller's, or the body with `tokio::time::timeout`",
        );
        if self.keep_alive == Some(false) {
            clash(
                "max_hold",
                "max_hold",
                "`max_hold` bounds the renewal; with `keep_alive = false` the lock ends with its `ttl`",
            );
        }
        if self.dedupe_for.is_none() {
            clash(
                "success",
                "success",
                "`success` says for which values `dedupe_for` keeps the key busy, and there is none",
            );
        }
        if self.on_lost == OnLost::Signal && self.guard.is_none() {
            clash(
                "on_lost",
                "on_lost",
                "with `on_lost = signal` the body goes on without the lock and has to look itself: name the lock with \
                 `guard = lock`, and look at `lock.is_lost()` or `lock.lost()`; or write `guard = _lock` if it is to run \
                 to its end in any case",
            );
        }
        errors.finish()
    }
}
