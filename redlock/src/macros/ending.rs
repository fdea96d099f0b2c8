//! How a lock ends after its body: released, or kept busy after a success.

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

/// `success` as it is. The body's output is the type of its argument, which need not be named so.
pub fn success<F: Future, P: Fn(&F::Output) -> bool>(_body: &F, success: P) -> P {
    success
}

/// The same for a body that is shown its lock.
pub fn success_with<H, F: Future, P: Fn(&F::Output) -> bool>(
    _body: &impl FnOnce(H) -> F,
    success: P,
) -> P {
    success
}

/// What a body returned. Whether it is a success is found by method resolution, which tries the `impl` with the most
/// references first: so the value is looked into as far as its type, known where the function is, allows.
#[derive(Debug)]
pub struct Returned<'a, T: ?Sized>(pub &'a T);

/// A `Result` that holds an [`Outcome`].
pub trait ResultOfOutcome {
    /// Whether the body succeeded.
    fn __redlock_success(&self) -> bool;
}

impl<T: Outcome, E> ResultOfOutcome for &&&&Returned<'_, Result<T, E>> {
    fn __redlock_success(&self) -> bool {
        self.0.as_ref().is_ok_and(Outcome::is_success)
    }
}

/// Any other `Result`.
pub trait ResultOfAny {
    /// Whether the body succeeded.
    fn __redlock_success(&self) -> bool;
}

impl<T, E> ResultOfAny for &&&Returned<'_, Result<T, E>> {
    fn __redlock_success(&self) -> bool {
        self.0.is_ok()
    }
}

/// An [`Outcome`].
pub trait PlainOutcome {
    /// Whether the body succeeded.
    fn __redlock_success(&self) -> bool;
}

impl<T: Outcome> PlainOutcome for &&Returned<'_, T> {
    fn __redlock_success(&self) -> bool {
        self.0.is_success()
    }
}

/// A type that cannot express a failure.
pub trait PlainSuccess {
    /// Whether the body succeeded: always.
    fn __redlock_success(&self) -> bool;
}

impl<T: Plain> PlainSuccess for &Returned<'_, T> {
    fn __redlock_success(&self) -> bool {
        true
    }
}

/// Types that cannot express a failure.
pub trait Plain {}

macro_rules! plain {
    ($($plain:ty),*) => {$(impl Plain for $plain {})*};
}

plain!(
    (),
    bool,
    char,
    f32,
    f64,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    String,
    &str,
    Duration
);

impl<T> Plain for Option<T> {}
impl<T> Plain for Vec<T> {}

/// Any other type may express a failure, such as one that is converted into an HTTP response later.
pub trait AnySuccess {
    /// Whether the body succeeded: always.
    #[deprecated(
        note = "`dedupe_for` treats every value of this type as a success and keeps the key busy after it; implement \
                `redlock::Outcome` for the type, or write `success = |value| ...`, or `success = |_| true` if every value is a \
                success"
    )]
    fn __redlock_success(&self) -> bool;
}

impl<T: ?Sized> AnySuccess for Returned<'_, T> {
    fn __redlock_success(&self) -> bool {
        true
    }
}

/// A value that says whether it is a success. After a success, the option `dedupe_for` of the attribute `#[redlock]` keeps the key
/// busy.
///
/// Implement it for types of your own that stand for a success or a failure, such as one that becomes an HTTP response later. The
/// attribute uses it for a function that returns the type, or a `Result` with it. With the feature `http`, it is implemented for
/// HTTP responses and statuses, and for the tuples with them that axum makes responses of: a success is 2xx and 3xx.
///
/// # Examples
/// ```
/// use redlock::{Outcome, Redlock, redlock};
///
/// enum Reply {
///     Accepted,
///     SoldOut,
/// }
///
/// impl Outcome for Reply {
///     fn is_success(&self) -> bool {
///         matches!(self, Self::Accepted)
///     }
/// }
///
/// // After `SoldOut` the next order is accepted at once.
/// #[redlock(key = "order:{user}", ttl = "10s", lock = locks, no_wait, dedupe_for = "5s")]
/// async fn order(locks: &Redlock, user: u64, stock: u32) -> Result<Reply, redlock::Error> {
///     Ok(if stock > 0 { Reply::Accepted } else { Reply::SoldOut })
/// }
/// ```
pub trait Outcome {
    /// Whether the work is done, so that it is not to be repeated.
    fn is_success(&self) -> bool;
}
