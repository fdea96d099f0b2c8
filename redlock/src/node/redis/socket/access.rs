//! Logins and certificates of a client.

use std::{fmt, time::Duration};

use super::certificates::Certificates;
use crate::label::Label;

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// A user and a password. Without a user, the default user.
#[derive(Clone, Default)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
}

impl Login {
    /// This login, completed by `other`.
    pub(in crate::node::redis) fn or(self, other: &Self) -> Self {
        Self {
            user: self.user.or_else(|| other.user.clone()),
            password: self.password.or_else(|| other.password.clone()),
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The user may be a password that was given in the wrong place.
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

/// The login, certificates and limits of a client, for all nodes whose addresses do not override
/// them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    pub(crate) login: Login,
    #[cfg_attr(
        not(feature = "sentinel"),
        expect(dead_code, reason = "there are no sentinels to log in to")
    )]
    pub(crate) sentinel_login: Login,
    pub(crate) certificates: Certificates,
    /// The name of the client's connections.
    pub(crate) label: Option<Label>,
    /// The time-out of each step of connecting.
    pub(crate) limit: Duration,
}
