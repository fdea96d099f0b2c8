//! The key from a field of an HTML form.

use super::{BodyKey, content::Content, read_body};
use crate::key::{
    Key, KeyError, KeyExtractor, Unstated, WithBody,
    source::{single, values},
};
use bytes::Bytes;
use http::request::Parts;

/// The key from a field of a form: see [`form`].
#[derive(Clone, Copy, Debug)]
pub struct Form(&'static str);

/// The value of a field of an HTML form: `application/x-www-form-urlencoded`, or `multipart/form-data` with the feature
/// `multipart`.
///
/// The value is decoded as handlers decode it. A request has no key if it is not a form, or if the field is missing or empty.
/// It is rejected with 400 if the field has two different values, if the body is compressed, or if it is a malformed multipart
/// form. Without the feature, every multipart form is rejected.
///
/// A client can leave the field out: use [`required`](crate::RedlockLayer::required) if no request may run without a lock.
///
/// The whole form is read into memory before the lock is acquired, files included, up to the limit of
/// [`max_body`](crate::RedlockLayer::max_body): for large uploads put the key into a header or the query.
///
/// ```
/// use redlock_tower::key::{self, KeyExtractor};
///
/// // A hidden field, which the server filled with a random number when it rendered the form.
/// let per_submit = key::form("submit_token");
/// // With a script, in a header: then the body is not read ahead.
/// let in_either = key::header("x-submit-token").or(key::form("submit_token"));
/// # fn check(_: impl KeyExtractor) {}
/// # check(per_submit); check(in_either);
/// ```
#[must_use]
pub fn form(field: &'static str) -> Form {
    Form(field)
}

impl KeyExtractor for Form {
    type Future = BodyKey;
    type Scope = Unstated;
    type Reads = WithBody;

    fn extract(&self, parts: &Parts) -> Self::Future {
        let (field, body) = (self.0, read_body(parts));
        let content = Content::of(&parts.headers);
        Box::pin(async move {
            match content? {
                Content::UrlEncoded => {
                    let body = body.await?;
                    single("form field", field, values(&body, field)).await
                }
                Content::Multipart(kind) => multipart(field, &kind, body.await?).await,
                Content::Other => Ok(None),
            }
        })
    }
}

#[cfg(feature = "multipart")]
async fn multipart(field: &'static str, kind: &str, body: Bytes) -> Result<Option<Key>, KeyError> {
    let values = super::multipart::values(kind, body, field).await?;
    single("form field", field, values.into_iter()).await
}

#[cfg(not(feature = "multipart"))]
#[expect(clippy::unused_async, reason = "it waits with the feature `multipart`")]
async fn multipart(_: &'static str, _: &str, _: Bytes) -> Result<Option<Key>, KeyError> {
    Err(KeyError::invalid(
        "the key cannot be read from a multipart form; send application/x-www-form-urlencoded",
    ))
}
