//! The key from a request header.

use super::single::{Extracted, single};
use crate::key::{HeadOnly, KeyError, KeyExtractor, Unstated};
use http::{HeaderName, request::Parts};
use std::{borrow::Cow, future::ready};

/// The key from a header: see [`header`].
#[derive(Clone, Debug)]
pub struct Header {
    /// In lower case.
    label: Cow<'static, str>,
    /// `None` if the label is not a valid header name.
    name: Option<HeaderName>,
}

/// A name of a header: a string, or a [`HeaderName`]. Sealed.
pub trait HeaderNamed: sealed::Sealed {}

/// The value of a request header, which may be any bytes. A request without it, or with an empty value, has no key. Two
/// different values are rejected with 400.
///
/// A header that clients can set does not identify them: let the authentication set it, or use
/// [`extension`](crate::key::extension).
///
/// An invalid header name is logged as an error, and every request is rejected with 500.
///
/// ```
/// use http::HeaderName;
/// use redlock_tower::key;
///
/// const USER: HeaderName = HeaderName::from_static("x-user-id");
/// let by_user = key::header(USER);
/// let the_same = key::header("X-User-Id");
/// # fn check(_: impl key::KeyExtractor) {}
/// # check(by_user); check(the_same);
/// ```
#[must_use]
pub fn header(name: impl HeaderNamed) -> Header {
    let label = name.into_label();
    let name = HeaderName::from_bytes(label.as_bytes()).ok();
    if name.is_none() {
        crate::events::invalid_header_name(&label);
    }
    Header { label, name }
}

impl KeyExtractor for Header {
    type Future = Extracted;
    type Scope = Unstated;
    type Reads = HeadOnly;

    fn extract(&self, parts: &Parts) -> Self::Future {
        match &self.name {
            Some(name) => single(
                "header",
                self.label.clone(),
                parts.headers.get_all(name).iter(),
            ),
            None => ready(Err(KeyError::misconfigured(
                "the key of this route is a header whose name is invalid",
            ))),
        }
    }
}

impl HeaderNamed for &'static str {}
impl HeaderNamed for HeaderName {}
impl HeaderNamed for &HeaderName {}

#[allow(unnameable_types)]
mod sealed {
    use http::HeaderName;
    use std::borrow::Cow;

    pub trait Sealed {
        fn into_label(self) -> Cow<'static, str>;
    }

    impl Sealed for &'static str {
        fn into_label(self) -> Cow<'static, str> {
            if self.bytes().any(|byte| byte.is_ascii_uppercase()) {
                Cow::Owned(self.to_ascii_lowercase())
            } else {
                Cow::Borrowed(self)
            }
        }
    }

    impl Sealed for HeaderName {
        fn into_label(self) -> Cow<'static, str> {
            Cow::Owned(self.as_str().to_owned())
        }
    }

    impl Sealed for &HeaderName {
        fn into_label(self) -> Cow<'static, str> {
            Cow::Owned(self.as_str().to_owned())
        }
    }
}
