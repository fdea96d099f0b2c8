//! The credentials of one node: cached for all of its connections, and renewed before they expire.

#[cfg(feature = "streaming-credentials")]
use std::panic::AssertUnwindSafe;
use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, WeakShared},
    stream::{self, BoxStream, Stream as _, StreamExt as _},
};
use tokio::{
    runtime::{Handle, Id},
    time::{Instant, Sleep, sleep_until, timeout},
};

use super::{
    provider::{CredentialsProvider, Source, values},
    value::Credentials,
};
use crate::{
    env::{sync::lock, unwind::caught},
    fault::{Fault, FaultKind},
};

/// The time-out of a provider.
const PROVIDED_WITHIN: Duration = Duration::from_secs(10);
/// Credentials are renewed when a quarter of their lifetime is left, but at most this long before they expire.
const MAX_MARGIN: Duration = Duration::from_secs(300);
/// Bounds of the pause before a provider that failed is called again.
const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// The pause after a server refused new credentials: they may reach it later than this client.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

type Answer = Result<Credentials, Fault>;

/// The credentials of one node, for all of its connections.
pub(in crate::node::redis) struct Renewal {
    node: String,
    provider: CredentialsProvider,
    cache: Mutex<Cache>,
}

/// The last answer of a function, and the call that is under way.
#[derive(Default)]
struct Cache {
    current: Option<Current>,
    /// In a runtime of its own, which drives what it waits for.
    call: Option<(Option<Id>, WeakShared<BoxFuture<'static, Answer>>)>,
}

struct Current {
    credentials: Credentials,
    renew_at: Option<Instant>,
}

impl Renewal {
    pub(in crate::node::redis) fn new(node: &str, provider: &CredentialsProvider) -> Arc<Self> {
        Arc::new(Self {
            node: node.to_owned(),
            provider: provider.clone(),
            cache: Mutex::default(),
        })
    }

    /// What to log in with now, and what to follow for later credentials.
    pub(in crate::node::redis) async fn begin(
        self: &Arc<Self>,
    ) -> Result<(Credentials, Subscription), Fault> {
        let mut later = self.subscribe(None);
        let first = match timeout(PROVIDED_WITHIN, later.next()).await {
            Ok(Some(Ok(credentials))) => credentials,
            // It fails, but the previous answer still serves.
            Ok(Some(Err(fault))) => self.previous().ok_or(fault)?,
            Ok(None) => return Err(failed("ended")),
            Err(_) => return Err(late()),
        };
        let subscription = Subscription {
            node: Arc::clone(self),
            later,
            used: first.clone(),
            again: None,
        };
        Ok((first, subscription))
    }

    /// The current credentials unless `after` is set, and all later ones.
    fn subscribe(self: &Arc<Self>, after: Option<Instant>) -> BoxStream<'static, Answer> {
        match &*self.provider.0 {
            Source::Function(_) => {
                let next = async |(node, due): (Arc<Self>, Due)| {
                    due.wait().await;
                    let answer = node.fetched().await;
                    let due = node.due(&answer);
                    Some((answer, (node, due)))
                };
                let due = after.map_or(Due::Now, Due::At);
                stream::unfold((Arc::clone(self), due), next).boxed()
            }
            Source::Channel(channel) => values(channel.clone()).map(Ok).boxed(),
            #[cfg(feature = "streaming-credentials")]
            Source::Streaming(_) => {
                let source = Arc::clone(&self.provider.0);
                // Subscribed to by the first poll, so that a panic there is caught as well.
                let later = stream::once(async move { streamed(&source) }).flatten();
                let answers = AssertUnwindSafe(later).catch_unwind();
                let answers = answers.map(|answer| answer.unwrap_or_else(|_| Err(panicked())));
                answers.boxed()
            }
        }
    }

    /// The answer of the function: the cached one if it need not be renewed, or that of one call for all who wait for it.
    async fn fetched(&self) -> Answer {
        let call = {
            let mut cache = lock(&self.cache);
            if let Some(current) = &cache.current
                && current.renew_at.is_none_or(|at| Instant::now() < at)
            {
                return Ok(current.credentials.clone());
            }
            let runtime = Handle::try_current().ok().map(|runtime| runtime.id());
            let running = cache.call.as_ref().filter(|(its, _)| *its == runtime);
            let running = running.and_then(|(_, call)| call.upgrade());
            match running.filter(|call| call.peek().is_none()) {
                Some(call) => call,
                None => {
                    let call = self.call().shared();
                    cache.call = call.downgrade().map(|call| (runtime, call));
                    call
                }
            }
        };
        let answer = call.await;
        if let Ok(credentials) = &answer {
            lock(&self.cache).current = Some(Current::new(credentials.clone()));
        }
        answer
    }

    /// A call of the function.
    fn call(&self) -> BoxFuture<'static, Answer> {
        let provider = Arc::clone(&self.provider.0);
        let node = self.node.clone();
        Box::pin(async move {
            let fetched = match &*provider {
                Source::Function(fetch) => {
                    timeout(PROVIDED_WITHIN, caught(async { fetch(node).await })).await
                }
                _ => return Err(failed("ended")),
            };
            match fetched {
                Ok(Ok(Ok(credentials))) if credentials.is_expired() => {
                    Err(failed("returned credentials that have expired already"))
                }
                Ok(Ok(Ok(credentials))) => Ok(credentials),
                Ok(Ok(Err(error))) => Err(failed(&format!("failed: {error}"))),
                Ok(Err(_)) => Err(panicked()),
                Err(_) => Err(late()),
            }
        })
    }

    /// The cached credentials, as long as they have not expired.
    fn previous(&self) -> Option<Credentials> {
        let cache = lock(&self.cache);
        let current = cache.current.as_ref()?;
        (!current.credentials.is_expired()).then(|| current.credentials.clone())
    }

    /// When the function is asked again.
    fn due(&self, answer: &Answer) -> Due {
        let at = match answer {
            Ok(credentials) => renewal_of(credentials),
            Err(_) => {
                let expires = self.previous().and_then(|previous| previous.expires());
                let left = expires.map(|end| end.saturating_duration_since(Instant::now()) / 4);
                let pause = left.unwrap_or(MAX_PAUSE).clamp(MIN_PAUSE, MAX_PAUSE);
                Some(Instant::now() + pause)
            }
        };
        at.map_or(Due::Never, Due::At)
    }

    /// The server refused them: the function is asked again.
    pub(in crate::node::redis) fn refused(&self, user: Option<&str>, secret: &str) {
        let mut cache = lock(&self.cache);
        let is_current = cache.current.as_ref().is_some_and(|current| {
            let credentials = &current.credentials;
            credentials.user() == user && credentials.secret().reveal() == secret
        });
        if is_current {
            cache.current = None;
        }
    }
}

impl fmt::Debug for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewal").finish_non_exhaustive()
    }
}

impl Current {
    fn new(credentials: Credentials) -> Self {
        Self {
            renew_at: renewal_of(&credentials),
            credentials,
        }
    }
}

/// When to renew credentials that were just returned. `None` if they do not expire.
fn renewal_of(credentials: &Credentials) -> Option<Instant> {
    let (end, now) = (credentials.expires()?, Instant::now());
    let margin = (end.saturating_duration_since(now) / 4).min(MAX_MARGIN);
    // The second bound is for credentials that live for less than a moment.
    Some((end - margin).max(now + MIN_PAUSE))
}

/// When a function is asked next.
#[derive(Clone, Copy, Debug)]
enum Due {
    Now,
    At(Instant),
    Never,
}

impl Due {
    async fn wait(self) {
        match self {
            Self::Now => {}
            Self::At(at) => sleep_until(at).await,
            Self::Never => std::future::pending().await,
        }
    }
}

/// The later credentials of one connection.
pub(in crate::node::redis) struct Subscription {
    node: Arc<Renewal>,
    later: BoxStream<'static, Answer>,
    /// What was sent to the server last.
    used: Credentials,
    /// When to send it again, after a refusal.
    again: Option<Pin<Box<Sleep>>>,
}

impl Subscription {
    /// Ready with credentials to log in with again, or with the cause why there are none.
    pub(in crate::node::redis) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        if let Some(again) = &mut self.again
            && again.as_mut().poll(cx).is_ready()
        {
            self.again = None;
            return Poll::Ready(Ok(self.used.clone()));
        }
        loop {
            match std::task::ready!(Pin::new(&mut self.later).poll_next(cx)) {
                Some(Ok(next)) => {
                    let used = &self.used;
                    let is_same = next.user() == used.user() && next.secret() == used.secret();
                    if is_same && self.again.is_none() {
                        continue;
                    }
                    self.again = None;
                    self.used = next.clone();
                    return Poll::Ready(Ok(next));
                }
                Some(Err(fault)) => return Poll::Ready(Err(fault)),
                None => self.later = stream::pending().boxed(),
            }
        }
    }

    /// The server refused the credentials that were sent last. After a pause a function is asked again, and what came over a
    /// channel is sent again.
    pub(in crate::node::redis) fn refused(&mut self) {
        let at = Instant::now() + REFUSED_PAUSE;
        self.node
            .refused(self.used.user(), self.used.secret().reveal());
        if let Source::Function(_) = &*self.node.provider.0 {
            self.later = self.node.subscribe(Some(at));
            // Whatever it returns is sent.
            self.again = Some(Box::pin(sleep_until(at + PROVIDED_WITHIN)));
        } else {
            self.again = Some(Box::pin(sleep_until(at)));
        }
    }
}

/// The answers of a provider of the `redis` crate.
#[cfg(feature = "streaming-credentials")]
fn streamed(source: &Source) -> BoxStream<'static, Answer> {
    let Source::Streaming(provider) = source else {
        return stream::empty().boxed();
    };
    let subscribed = provider.subscribe().map(|item| match item {
        Ok(login) => Ok(Credentials::new(login.username(), login.password())),
        Err(error) => Err(failed(&format!("failed: {error}"))),
    });
    subscribed.boxed()
}

/// Its message stays in the log of the panic: it may contain a secret.
fn panicked() -> Fault {
    failed("panicked")
}

fn failed(what: &str) -> Fault {
    Fault {
        // The provider is asked again.
        lasting: false,
        ..Fault::untouched(
            FaultKind::Authentication,
            format!("the provider of its credentials {what}"),
        )
    }
}

fn late() -> Fault {
    failed(&format!(
        "did not answer within {} s",
        PROVIDED_WITHIN.as_secs()
    ))
}
