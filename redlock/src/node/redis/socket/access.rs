//! Logins and certificates of a client.

use std::{fmt, time::Duration};

use redis::RedisConnectionInfo;

use super::certificates::Certificates;
use crate::{
    label::Label,
    node::redis::credentials::{Credentials, CredentialsProvider, Secret},
};

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

    pub(crate) fn is_given(&self) -> bool {
        self.user.is_some() || self.password.is_some()
    }

    /// Empty if there is none.
    pub(in crate::node::redis) fn password(&self) -> &str {
        self.password.as_ref().map_or("", Secret::reveal)
    }
}

impl From<&RedisConnectionInfo> for Login {
    fn from(settings: &RedisConnectionInfo) -> Self {
        Self {
            user: settings.username().map(str::to_owned),
            password: settings.password().map(|text| text.to_owned().into()),
        }
    }
}

impl From<&Credentials> for Login {
    fn from(credentials: &Credentials) -> Self {
        Self {
            user: credentials.user().map(str::to_owned),
            password: Some(credentials.secret().clone()),
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
    /// Instead of `login`.
    pub(crate) credentials: Option<CredentialsProvider>,
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
