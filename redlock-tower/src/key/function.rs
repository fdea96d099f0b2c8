//! The key from a closure or an async closure.

use crate::key::{HeadOnly, IntoKey, Key, KeyError, KeyExtractor, Unstated};
use http::request::Parts;
use pin_project::pin_project;
use std::{
    fmt,
    future::{Ready, ready},
    pin::Pin,
    task::{Context, Poll, ready as try_ready},
};

// A type that is no closure should be named as it is, without the advice to be one.
#[diagnostic::do_not_recommend]
impl<F, K> KeyExtractor for F
where
    F: Fn(&Parts) -> K + Send + Sync + 'static,
    K: IntoKey,
{
    type Future = Ready<Result<Option<Key>, KeyError>>;
    type Scope = Unstated;
    type Reads = HeadOnly;

    fn extract(&self, parts: &Parts) -> Self::Future {
        ready(self(parts).into_key())
    }
}

/// The key from a closure: see [`from_fn`].
#[derive(Clone)]
pub struct FromFn<F>(F);

/// The key from a closure over the head of the request.
///
/// A closure that names its argument type is an extractor without this function.
///
/// ```
/// use redlock_tower::key;
///
/// let by_account = key::from_fn(|parts| {
///     parts.uri.path().strip_prefix("/accounts/").map(str::to_owned)
/// });
/// # fn check(_: impl key::KeyExtractor) {}
/// # check(by_account);
/// ```
pub fn from_fn<F, K>(f: F) -> FromFn<F>
where
    F: Fn(&Parts) -> K + Send + Sync + 'static,
    K: IntoKey,
{
    FromFn(f)
}

impl<F, K> KeyExtractor for FromFn<F>
where
    F: Fn(&Parts) -> K + Send + Sync + 'static,
    K: IntoKey,
{
    type Future = Ready<Result<Option<Key>, KeyError>>;
    type Scope = Unstated;
    type Reads = HeadOnly;

    fn extract(&self, parts: &Parts) -> Self::Future {
        ready((self.0)(parts).into_key())
    }
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FromFn")
            .field(&format_args!("{}", std::any::type_name::<F>()))
            .finish()
    }
}

/// The key from an async closure: see [`from_async`].
#[derive(Clone)]
pub struct FromAsync<F>(F);

/// The key from an async closure, for example one that asks a session store. The future has to own what it needs of the
/// head.
///
/// ```
/// use redlock_tower::key;
///
/// async fn user_of(session: String) -> Option<String> { Some(session) }
///
/// let by_user = key::from_async(|parts: &http::request::Parts| {
///     let session = parts.headers.get("x-session").and_then(|value| value.to_str().ok());
///     let session = session.map(str::to_owned);
///     async move {
///         match session {
///             Some(session) => user_of(session).await,
///             None => None,
///         }
///     }
/// });
/// # fn check(_: impl key::KeyExtractor) {}
/// # check(by_user);
/// ```
pub fn from_async<F, Fut>(f: F) -> FromAsync<F>
where
    F: Fn(&Parts) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoKey> + Send,
{
    FromAsync(f)
}

impl<F, Fut> KeyExtractor for FromAsync<F>
where
    F: Fn(&Parts) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoKey> + Send,
{
    type Future = FromAsyncFuture<Fut>;
    type Scope = Unstated;
    type Reads = HeadOnly;

    fn extract(&self, parts: &Parts) -> Self::Future {
        FromAsyncFuture {
            future: (self.0)(parts),
        }
    }
}

impl<F> fmt::Debug for FromAsync<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FromAsync")
            .field(&format_args!("{}", std::any::type_name::<F>()))
            .finish()
    }
}

/// The future of [`FromAsync`].
#[pin_project]
pub struct FromAsyncFuture<F> {
    #[pin]
    future: F,
}

impl<F: Future<Output: IntoKey>> Future for FromAsyncFuture<F> {
    type Output = Result<Option<Key>, KeyError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(try_ready!(self.project().future.poll(cx)).into_key())
    }
}

impl<F> fmt::Debug for FromAsyncFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromAsyncFuture").finish_non_exhaustive()
    }
}
