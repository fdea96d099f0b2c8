//! Why a key could not be extracted.

use crate::body::BodyError;
use std::borrow::Cow;

/// A key that could not be extracted.
///
/// The message is sent to the client: do not put values of the request into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError {
    message: Cow<'static, str>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Invalid,
    Unavailable,
    Misconfigured,
    /// The server provides no value, so no such request has a key. Only where a key is required, it is a mistake.
    NotProvided,
    BodyTooLarge,
    BodyUnreadable,
}

impl KeyError {
    /// A mistake of the client: rejected with 400.
    #[must_use]
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            message: message.into(),
            kind: Kind::Invalid,
        }
    }

    /// The key cannot be determined now, for example because a look-up failed: rejected with 503.
    #[must_use]
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            message: message.into(),
            kind: Kind::Unavailable,
        }
    }

    /// A mistake of the program, which affects every request: rejected with 500.
    #[must_use]
    pub fn misconfigured(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            message: message.into(),
            kind: Kind::Misconfigured,
        }
    }

    pub(super) fn not_provided(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            message: message.into(),
            kind: Kind::NotProvided,
        }
    }

    pub(super) fn body(error: BodyError) -> Self {
        let (message, kind) = match error {
            BodyError::TooLarge => (
                "this resource reads smaller bodies only",
                Kind::BodyTooLarge,
            ),
            BodyError::Unreadable => (
                "the request body ended before it was complete",
                Kind::BodyUnreadable,
            ),
            BodyError::NotOffered => (
                "the key of this route is in the body, and its extractor reads only heads",
                Kind::Misconfigured,
            ),
        };
        Self {
            message: Cow::Borrowed(message),
            kind,
        }
    }

    pub(crate) fn is_misconfigured(&self) -> bool {
        matches!(self.kind, Kind::Misconfigured | Kind::NotProvided)
    }

    pub(crate) fn is_not_provided(&self) -> bool {
        self.kind == Kind::NotProvided
    }

    /// What it is to a layer that requires no key.
    pub(crate) fn or_no_key<K>(self) -> Result<Option<K>, Self> {
        match self.is_not_provided() {
            true => Ok(None),
            false => Err(self),
        }
    }

    /// Whether it is a mistake of the client: the value is malformed, or several values contradict each other.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        self.kind == Kind::Invalid
    }

    /// Whether the body exceeds the limit of [`max_body`](crate::RedlockLayer::max_body), or of an outer layer: rejected
    /// with 413.
    #[must_use]
    pub fn is_body_too_large(&self) -> bool {
        self.kind == Kind::BodyTooLarge
    }

    /// Whether the client aborted before its body was complete: rejected with 400.
    #[must_use]
    pub fn is_body_unreadable(&self) -> bool {
        self.kind == Kind::BodyUnreadable
    }

    /// The message for the client.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl std::fmt::Display for KeyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for KeyError {}
