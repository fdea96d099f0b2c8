//! What an annotated function returns when its lock was busy, unavailable or lost.

use crate::{Error, events::attribute as events};

/// A return type that can carry the error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot return the error of the lock",
    label = "a `#[redlock]` function returns `Result<T, E>` where `E: From<redlock::Error>`",
    note = "with another return type, make its value from the error: `on_error = |error| ...`",
    note = "to skip the call while another one holds the lock, write `on_busy = skip` and return `()`, `Option<T>`, `Result<(), E>` or `Result<Option<T>, E>`"
)]
pub trait FromLockError {
    /// The value for this failure.
    fn from_lock_error(error: Error) -> Self;
}

impl<T, E: ErrorFromLock> FromLockError for Result<T, E> {
    fn from_lock_error(error: Error) -> Self {
        Err(E::error_from_lock(error))
    }
}

/// An error type that can be made from ours.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made from `redlock::Error`",
    label = "needs `impl From<redlock::Error> for {Self}`",
    note = "a `#[redlock]` function returns it when the lock was busy, unavailable or lost",
    note = "if the type is from another crate, make its value from the error: `on_error = |error| Err(...)`"
)]
pub trait ErrorFromLock {
    /// The error for this failure.
    fn error_from_lock(error: Error) -> Self;
}

#[diagnostic::do_not_recommend]
impl<E: From<Error>> ErrorFromLock for E {
    fn error_from_lock(error: Error) -> Self {
        error.into()
    }
}

/// Returns `on_error` unchanged, and gives its argument and its result their types.
pub fn on_error<R, F: FnOnce(Error) -> R>(make: F) -> F {
    make
}

/// A return type with a value for a skipped call.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no value for a call that `on_busy = skip` skips",
    label = "`on_busy = skip` returns `()`, `Option<T>`, `Result<(), E>` or `Result<Option<T>, E>`",
    note = "to return another value while the lock is busy, write `no_wait` and `on_error = |error| ...`"
)]
pub trait Skipped: Sized {
    /// The value of a skipped call.
    fn skipped() -> Self;
}

impl Skipped for () {
    fn skipped() -> Self {}
}

impl<T> Skipped for Option<T> {
    fn skipped() -> Self {
        None
    }
}

impl<E> Skipped for Result<(), E> {
    fn skipped() -> Self {
        Ok(())
    }
}

impl<T, E> Skipped for Result<Option<T>, E> {
    fn skipped() -> Self {
        Ok(None)
    }
}

/// What is returned for a failure other than busy, beside `on_busy = skip`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no value for a call that `on_busy = skip` skips",
    label = "`on_busy = skip` returns `()`, `Option<T>`, `Result<(), E>` or `Result<Option<T>, E>`",
    note = "to return another value while the lock is busy, write `no_wait` and `on_error = |error| ...`"
)]
pub trait Unreturned: Skipped {
    /// The value for this failure of `function`.
    fn unreturned(function: &'static str, error: Error) -> Self;
}

impl Unreturned for () {
    fn unreturned(function: &'static str, error: Error) -> Self {
        report(function, &error);
    }
}

impl<T> Unreturned for Option<T> {
    fn unreturned(function: &'static str, error: Error) -> Self {
        report(function, &error);
        None
    }
}

impl<T, E: ErrorFromLock> Unreturned for Result<T, E>
where
    Self: Skipped,
{
    fn unreturned(_: &'static str, error: Error) -> Self {
        Err(E::error_from_lock(error))
    }
}

/// `on_busy = skip`: a busy lock is not a failure.
pub fn skip<R: Unreturned>(function: &'static str, error: Error) -> R {
    skip_busy(error).unwrap_or_else(|error| R::unreturned(function, error))
}

/// `on_busy = skip` beside `on_error`, which gets all other errors.
///
/// # Errors
///
/// Any error other than busy.
pub fn skip_busy<R: Skipped>(error: Error) -> Result<R, Error> {
    if error.is_busy() || error.is_timed_out() {
        Ok(R::skipped())
    } else {
        Err(error)
    }
}

/// Reports the reason by an event, since nothing can be returned. It is an error if every call will
/// fail in the same way. A body that was cancelled has had its event, and a call that a newer one
/// replaced is no failure.
fn report(function: &'static str, error: &Error) {
    if error.is_invalid() || error.is_not_configured() || error.is_already_held() {
        events::never_runs(function, error);
    } else if !error.is_of_lost_lock() {
        events::left_out(function, error);
    }
}
