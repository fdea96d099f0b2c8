//! What an annotated function returns where its lock was refused, not to be had, or lost.

use crate::{Error, events::attribute as events};

/// A return type that can carry the error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot say that the lock was refused or lost",
    label = "a `#[redlock]` function returns `Result<T, E>` where `E: From<redlock::Error>`",
    note = "for another type write what to return: `on_error = |error| ...`",
    note = "a job that is left out while another one runs it has `on_busy = skip`, and returns `()`, `Option<T>`, `Result<(), E>` or `Result<Option<T>, E>`"
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

/// An error type that can be made of ours.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made from `redlock::Error`",
    label = "needs `impl From<redlock::Error> for {Self}`",
    note = "a `#[redlock]` function reports with it that the lock was refused, not to be had, or lost",
    note = "where the type is not yours, write what to return: `on_error = |error| Err(...)`"
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

/// `on_error` as it is: its argument and its result have their types here, wherever it is used.
pub fn on_error<R, F: FnOnce(Error) -> R>(make: F) -> F {
    make
}

/// A return type with a value for *left out, since another one runs it*.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no value for a call that `on_busy = skip` leaves out",
    label = "`on_busy = skip` returns `()`, `Option<T>`, `Result<(), E>` or `Result<Option<T>, E>`",
    note = "to return something else while the lock is held elsewhere, write `no_wait` and `on_error = |error| ...`"
)]
pub trait Skipped: Sized {
    /// The value of a call that was left out.
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
    message = "`{Self}` has no value for a call that `on_busy = skip` leaves out",
    label = "`on_busy = skip` returns `()`, `Option<T>`, `Result<(), E>` or `Result<Option<T>, E>`",
    note = "to return something else while the lock is held elsewhere, write `no_wait` and `on_error = |error| ...`"
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

/// `on_busy = skip`: only a lock that is held elsewhere is no failure.
pub fn skip<R: Unreturned>(function: &'static str, error: Error) -> R {
    skip_busy(error).unwrap_or_else(|error| R::unreturned(function, error))
}

/// `on_busy = skip` beside `on_error`, which gets the rest.
///
/// # Errors
///
/// All that is not busy.
pub fn skip_busy<R: Skipped>(error: Error) -> Result<R, Error> {
    if error.is_busy() || error.is_timed_out() {
        Ok(R::skipped())
    } else {
        Err(error)
    }
}

/// Nothing can be returned, so the reason is told by an event: loudly where no call will ever succeed.
fn report(function: &'static str, error: &Error) {
    if error.is_invalid() || error.is_not_configured() || error.is_already_held() {
        events::never_runs(function, error);
    } else {
        events::left_out(function, error);
    }
}
