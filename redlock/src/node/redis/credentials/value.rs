//! A user and a secret, with an expiry.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::secret::Secret;

/// A user and a secret that a node accepts, possibly for a limited time. A [`CredentialsProvider`] returns them.
///
/// `Debug` shows neither the user nor the secret.
///
/// [`CredentialsProvider`]: crate::CredentialsProvider
///
/// # Examples
/// ```
/// use redlock::Credentials;
/// use std::time::Duration;
///
/// let token = Credentials::new("locker", "a token").expires_in(Duration::from_secs(900));
/// assert!(!format!("{token:?}").contains("a token"));
/// ```
#[derive(Clone)]
pub struct Credentials {
    user: Option<String>,
    secret: Secret,
    expires: Option<Instant>,
}

impl Credentials {
    /// A user, and its password or token. An empty user is the default user of the server.
    #[must_use]
    pub fn new(user: impl Into<String>, secret: impl Into<String>) -> Self {
        let user = user.into();
        Self {
            user: (!user.is_empty()).then_some(user),
            secret: secret.into().into(),
            expires: None,
        }
    }

    /// The password or token of the server's default user.
    #[must_use]
    pub fn password(secret: impl Into<String>) -> Self {
        Self::new("", secret)
    }

    /// For how long the server accepts them, from now on. Default: without a limit.
    #[must_use]
    pub fn expires_in(mut self, time: Duration) -> Self {
        self.expires = Instant::now().checked_add(time);
        self
    }

    /// Until when the server accepts them, by the clock of this machine. Default: without a limit.
    #[must_use]
    pub fn expires_at(self, time: SystemTime) -> Self {
        let left = time.duration_since(SystemTime::now());
        self.expires_in(left.unwrap_or_default())
    }

    pub(in crate::node::redis) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub(in crate::node::redis) fn secret(&self) -> &Secret {
        &self.secret
    }

    pub(super) fn expires(&self) -> Option<Instant> {
        self.expires
    }

    /// Whether the server no longer accepts them.
    pub(super) fn is_expired(&self) -> bool {
        self.expires.is_some_and(|end| end <= Instant::now())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = self
            .expires
            .map(|end| end.saturating_duration_since(Instant::now()));
        f.debug_struct("Credentials")
            .field("expires_in", &left)
            .finish_non_exhaustive()
    }
}
