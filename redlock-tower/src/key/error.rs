//! Why a key could not be taken from a request.

use std::borrow::Cow;

/// The request has no usable key, for a reason the client is told.
///
/// The message goes to the client: leave values of the request out of it.
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
    /// The client's mistake: answered with 400.
    #[must_use]
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            message: message.into(),
            kind: Kind::Invalid,
        }
    }

    /// It cannot be told now, say because a look-up failed: answered with 503.
    #[must_use]
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            message: message.into(),
            kind: Kind::Unavailable,
        }
    }

    /// The program's mistake, which every request would meet: answered with 500.
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

    /// Whether it is the client's mistake.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        self.kind == Kind::Invalid
    }

    /// What the client is told.
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
