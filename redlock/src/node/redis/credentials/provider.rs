//! Where credentials come from: a function, a channel, or a provider of the `redis` crate.

use std::{error::Error, fmt, pin::Pin, sync::Arc};

use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::watch;

use super::value::Credentials;

/// Why a provider has no credentials.
type Cause = Box<dyn Error + Send + Sync>;

type Fetched = Pin<Box<dyn Future<Output = Result<Credentials, Cause>> + Send>>;

/// A source of logins that change while the client runs, such as tokens that expire or passwords that are rotated. For
/// [`Builder::credentials`](crate::Builder::credentials), or for one node with
/// [`NodeAddress::credentials`](crate::NodeAddress::credentials).
///
/// A new connection logs in with the current credentials. An open connection logs in again with `AUTH` when there are new
/// ones, and stays open. So no request fails because of the change, if the server accepts the new credentials before the old
/// ones expire. The new user needs the permissions of the old one.
///
/// If a provider fails or panics, or the server refuses the new credentials, connections keep their login, a warning is
/// emitted, and the provider is called again. Errors and events contain the text of the provider's error, so it must not contain a secret.
///
/// # Examples
/// ```no_run
/// use redlock::{Credentials, CredentialsProvider, Redlock};
/// use std::time::Duration;
///
/// # async fn request_token(node: &str) -> Result<String, std::io::Error> { Ok(String::new()) }
/// # async fn example() -> Result<(), redlock::Error> {
/// let tokens = CredentialsProvider::new(async |node| {
///     let token = request_token(&node).await?;
///     let login = Credentials::new("locker", token);
///     Ok::<_, std::io::Error>(login.expires_in(Duration::from_secs(900)))
/// });
/// let nodes = ["rediss://a:6379", "rediss://b:6379", "rediss://c:6379"];
/// let redlock = Redlock::builder().nodes(nodes).credentials(tokens).connect().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct CredentialsProvider(pub(super) Arc<Source>);

pub(super) enum Source {
    Function(Box<dyn Fn(String) -> Fetched + Send + Sync>),
    Channel(watch::Receiver<Credentials>),
    #[cfg(feature = "streaming-credentials")]
    Streaming(Box<dyn redis::StreamingCredentialsProvider>),
}

impl CredentialsProvider {
    /// Asks a function, with the address of the node (without a login).
    ///
    /// It is called when a client connects to a node, and again when a quarter of the lifetime of the credentials is left, but at
    /// most five minutes before they expire. All connections of a client to a node share the result. After a failure it is
    /// called again while the node is needed, at most about once per second. A call is dropped after 10 s.
    pub fn new<F, R, E>(fetch: F) -> Self
    where
        F: Fn(String) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Credentials, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self(Arc::new(Source::Function(Box::new(move |node| {
            let fetched = fetch(node);
            Box::pin(async { fetched.await.map_err(Into::into) })
        }))))
    }

    /// Follows a channel: connections use its current value, and each new one at once. The expiry of a value is ignored, because
    /// the sender has to send a new value before.
    ///
    /// If the sender is dropped, the last value stays.
    #[must_use]
    pub fn watch(credentials: watch::Receiver<Credentials>) -> Self {
        Self(Arc::new(Source::Channel(credentials)))
    }

    /// Uses a provider for the `redis` crate, such as its `EntraIdCredentialsProvider`. Each connection subscribes to it.
    #[cfg(feature = "streaming-credentials")]
    pub fn streaming(provider: impl redis::StreamingCredentialsProvider + 'static) -> Self {
        Self(Arc::new(Source::Streaming(Box::new(provider))))
    }
}

/// The values of a channel: the current one, and each later one.
pub(super) fn values(channel: watch::Receiver<Credentials>) -> BoxStream<'static, Credentials> {
    let next = async |(mut channel, is_first): (watch::Receiver<Credentials>, bool)| {
        if !is_first && channel.changed().await.is_err() {
            // The sender is gone.
            std::future::pending::<()>().await;
        }
        let value = channel.borrow_and_update().clone();
        Some((value, (channel, false)))
    };
    stream::unfold((channel, true), next).boxed()
}

impl fmt::Debug for CredentialsProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialsProvider")
            .finish_non_exhaustive()
    }
}
