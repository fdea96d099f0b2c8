//! Why a key could not be extracted.

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

    pub(crate) fn is_misconfigured(&self) -> bool {
        self.kind == Kind::Misconfigured
    }

    /// Whether it is a mistake of the client.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        self.kind == Kind::Invalid
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
