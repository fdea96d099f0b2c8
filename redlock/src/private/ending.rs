//! How a lock ends after its body: let go, or kept busy after a success.

use std::time::Duration;

/// For how long the key stays busy after the body has returned `value`; `None` is a release.
pub trait Ending<T> {
    /// Looks at the value.
    fn window(&self, value: &T) -> Option<Duration>;
}

impl<T> Ending<T> for () {
    fn window(&self, _: &T) -> Option<Duration> {
        None
    }
}

/// `dedupe_for`: busy for `window` after a success, released at once after a failure.
#[derive(Debug)]
pub struct Dedupe<P> {
    pub(super) window: Duration,
    pub(super) success: P,
}

impl<T, P: Fn(&T) -> bool> Ending<T> for Dedupe<P> {
    fn window(&self, value: &T) -> Option<Duration> {
        (self.success)(value).then_some(self.window)
    }
}

/// `Ok` is a success. Found before [`AnySuccess`], since it needs one reference less.
pub trait ResultSuccess {
    /// Whether the body succeeded.
    fn __redlock_success(&self) -> bool;
}

impl<T, E> ResultSuccess for Result<T, E> {
    fn __redlock_success(&self) -> bool {
        self.is_ok()
    }
}

/// What is no `Result` cannot fail.
pub trait AnySuccess {
    /// Whether the body succeeded: always.
    fn __redlock_success(&self) -> bool;
}

impl<T> AnySuccess for &T {
    fn __redlock_success(&self) -> bool {
        true
    }
}
