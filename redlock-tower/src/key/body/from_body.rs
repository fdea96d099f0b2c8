//! The key from a closure over the head and the body.

use super::BodyKey;
use crate::{
    body::ReadBody,
    key::{IntoKey, KeyError, KeyExtractor, Unstated, WithBody},
};
use bytes::Bytes;
use http::request::Parts;
use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// The key from a closure over the head and the body: see [`from_body`].
pub struct FromBody<F>(Arc<F>);

/// The key from a closure over the head and the whole body, for other formats than [`form`](super::form) and
/// [`json`](super::json).
///
/// The body is read up to the limit of [`max_body`](crate::RedlockLayer::max_body). It is as the client sent it, which
/// may be compressed. The closure runs on the request's task, so it must not block.
///
/// ```
/// use bytes::Bytes;
/// use http::request::Parts;
/// use redlock_tower::key::{self, KeyError};
///
/// // The first line is the number of the delivery.
/// let by_delivery = key::from_body(|_: &Parts, body: &Bytes| {
///     let text = std::str::from_utf8(body);
///     let text = text.map_err(|_| KeyError::invalid("the body is not text"))?;
///     Ok(text.lines().next().map(str::to_owned))
/// });
/// # fn check(_: impl key::KeyExtractor<Reads = key::WithBody>) {}
/// # check(by_delivery);
/// ```
pub fn from_body<F, K>(to_key: F) -> FromBody<F>
where
    F: Fn(&Parts, &Bytes) -> K + Send + Sync + 'static,
    K: IntoKey,
{
    FromBody(Arc::new(to_key))
}

impl<F, K> KeyExtractor for FromBody<F>
where
    F: Fn(&Parts, &Bytes) -> K + Send + Sync + 'static,
    K: IntoKey,
{
    type Future = BodyKey;
    type Scope = Unstated;
    type Reads = WithBody;

    fn extract(&self, parts: &Parts) -> Self::Future {
        let (to_key, body, parts) = (Arc::clone(&self.0), read_body(parts), parts.clone());
        Box::pin(async move { to_key(&parts, &body.await?).into_key() })
    }
}

impl<F> Clone for FromBody<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F> fmt::Debug for FromBody<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FromBody")
            .field(&format_args!("{}", std::any::type_name::<F>()))
            .finish()
    }
}

/// The whole body of the request, for your own [`KeyExtractor`], which states `type Reads = `[`WithBody`].
///
/// The body is read when the future is polled for the first time, and stays available to the handler. Dropping the future
/// loses nothing.
///
/// # Errors
///
/// A [`KeyError`] if the body exceeds [`max_body`](crate::RedlockLayer::max_body), if the client aborted, or if the extractor
/// states [`HeadOnly`](crate::key::HeadOnly).
///
/// ```
/// use http::request::Parts;
/// use redlock_tower::key::{self, Key, KeyError, KeyExtractor};
/// use std::pin::Pin;
///
/// struct ByLength;
///
/// impl KeyExtractor for ByLength {
///     type Future = Pin<Box<dyn Future<Output = Result<Option<Key>, KeyError>> + Send>>;
///     type Scope = key::Unstated;
///     type Reads = key::WithBody;
///
///     fn extract(&self, parts: &Parts) -> Self::Future {
///         let body = key::read_body(parts);
///         Box::pin(async move { Ok(Some(Key::from(body.await?.len()))) })
///     }
/// }
/// ```
#[must_use]
pub fn read_body(parts: &Parts) -> ReadBody {
    ReadBody::new(&parts.extensions)
}

impl Future for ReadBody {
    type Output = Result<Bytes, KeyError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_body(cx).map_err(KeyError::body)
    }
}
