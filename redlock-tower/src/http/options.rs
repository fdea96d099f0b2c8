//! The options of [`RedlockLayer`], all with a default.

use super::{BoxError, HoldUntil, OnDisconnect, RedlockLayer};
use crate::{
    key::Namespace,
    lock::OnLost,
    reject::{BusyStatus, Rejection},
};
use bytes::Bytes;
use http::{Method, Response, request::Parts};
use http_body::Body;
use http_body_util::BodyExt as _;
use redlock::WaiterLimit;
use std::{sync::Arc, time::Duration};

/// # How long
impl<K, I> RedlockLayer<K, I> {
    /// How long the lock outlives a crash of this process; it is kept alive while the handler runs, however long that
    /// takes. Unless said, that of the [`Redlock`](redlock::Redlock): 10 s.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.policy.lock.ttl = Some(ttl);
        self
    }

    /// A request waits that long for its turn, and is refused after that. Unless said, that of the
    /// [`Redlock`](redlock::Redlock): 10 s. Requests of one key run one after the other, in each process in the order
    /// they came.
    #[must_use]
    pub fn wait(mut self, most: Duration) -> Self {
        self.policy.lock.wait = Some(most);
        self
    }

    /// A request whose key is held is refused at once.
    #[must_use]
    pub fn no_wait(self) -> Self {
        self.wait(Duration::ZERO)
    }

    /// After a success the key stays busy for that long, so that a duplicate that comes late is refused as well; after
    /// a failure (see [`failure_if`](Self::failure_if)) it is free at once.
    #[must_use]
    pub fn dedupe_for(mut self, window: Duration) -> Self {
        self.policy.lock.dedupe_for = Some(window).filter(|window| !window.is_zero());
        self
    }

    /// Which responses are failures, after which the key is free at once, and which a replay does not keep. Default: all
    /// but 2xx and 3xx, and of gRPC all statuses but OK, read from the trailers where they come last.
    ///
    /// A closure sees the head of the response only. Whatever it says, these are failures: an error of the service, a
    /// panic, a cancelled or timed-out handler, a rejection of a layer further in, and 408, 425 and 429, which ask to try
    /// again. To open windows after refusals of the handler as well, say `|head| head.status.is_server_error()`.
    #[must_use]
    pub fn failure_if(
        mut self,
        failure: impl Fn(&http::response::Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.policy.failure = Some(Arc::new(failure));
        self
    }

    /// Until when the lock is held: [`HoldUntil::Response`] unless said.
    #[must_use]
    pub fn hold_until(mut self, until: HoldUntil) -> Self {
        self.policy.hold_until = until;
        self
    }

    /// The lock is let go after that long, and counts as lost (see [`on_lost`](Self::on_lost)). No limit unless said.
    #[must_use]
    pub fn max_hold(mut self, most: Duration) -> Self {
        self.policy.lock.max_hold = Some(most);
        self
    }
}

/// # Whom
impl<K, I> RedlockLayer<K, I> {
    /// A request without a key is answered with 400; unless said, it passes without a lock.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.policy.required = true;
        self
    }

    /// Requests of these methods are locked, and no others; with GET also HEAD, which runs the same handler.
    /// Default: all but GET, HEAD, OPTIONS and TRACE.
    #[must_use]
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.policy.methods = Some(methods.into_iter().collect());
        self
    }

    /// Keys are put under this name in place of the route, so that routes with the same name share their locks.
    ///
    /// Name one where one handler has several routes, and outside of a router, where all requests are in one namespace.
    /// Nothing that a client sends changes the namespace.
    #[must_use]
    pub fn namespace(mut self, name: impl AsRef<str>) -> Self {
        self.policy.render.namespace = Namespace::Named(Arc::from(name.as_ref()));
        self
    }

    /// The services inside speak gRPC, as on a tonic server: keys are namespaced by the path, which names the method, and
    /// every rejection is a `grpc-status`. Default: the route, and a `grpc-status` only for requests of
    /// `content-type: application/grpc`.
    #[must_use]
    pub fn grpc(mut self) -> Self {
        self.policy.grpc = true;
        if let Namespace::Route = self.policy.render.namespace {
            self.policy.render.namespace = Namespace::GrpcMethod;
        }
        self
    }

    /// Keys stand in Redis as their SHA-256: for keys that are secrets, like a session cookie. Unless said, only long
    /// ones do.
    #[must_use]
    pub fn hash_keys(mut self) -> Self {
        self.policy.render.always_hash = true;
        self
    }

    /// How many requests may wait for one key, and in all, in this process; those beyond are answered with 429. Unless
    /// said, 100 and 10,000.
    #[must_use]
    pub fn max_waiters(mut self, per_key: usize, in_all: usize) -> Self {
        self.policy.lock.max_waiters = WaiterLimit::new(per_key, in_all);
        self
    }

    /// A request inside another one that holds the same key in the same task joins it; unless said, it is answered with
    /// 500, as it would wait for itself.
    ///
    /// A joined lock ends with the outer layer, on its terms: beside `max_hold` or `dedupe_for` each request is answered
    /// with 500, and an event names the two.
    #[must_use]
    pub fn reentrant(mut self) -> Self {
        self.policy.lock.reentrant = true;
        self
    }
}

/// # What if
impl<K, I> RedlockLayer<K, I> {
    /// What happens to the handler when the lock is lost: [`OnLost::Cancel`] unless said.
    #[must_use]
    pub fn on_lost(mut self, on_lost: OnLost) -> Self {
        self.policy.lock.on_lost = on_lost;
        self
    }

    /// What happens to the handler when its client is gone. Default: [`OnDisconnect::Cancel`], and with a replay
    /// [`OnDisconnect::Finish`], since a client that gave up tries again, and must not run the handler twice.
    #[must_use]
    pub fn on_disconnect(mut self, on_disconnect: OnDisconnect) -> Self {
        self.policy.on_disconnect = Some(on_disconnect);
        self
    }

    /// Without a quorum of nodes the handler runs all the same, **without the lock**; unless said, the answer is 503. A replay
    /// reads and keeps answers all the same.
    #[must_use]
    pub fn fail_open(mut self) -> Self {
        self.policy.lock.fail_open = true;
        self
    }

    /// The status for a request whose key is held: 409 unless said.
    #[must_use]
    pub fn busy_status(mut self, status: BusyStatus) -> Self {
        self.policy.busy = status;
        self
    }

    /// Makes the answer in place of the layer's own, for the request with this head: HTML for a browser, say, and JSON for
    /// others. The [`Rejection`] is put into its extensions. The head of each request that may be rejected is copied.
    ///
    /// ```
    /// use axum::response::{Html, IntoResponse};
    /// use http::request::Parts;
    /// use redlock::Redlock;
    /// use redlock_tower::{RedlockLayer, Rejection, key};
    ///
    /// fn layer(redlock: Redlock) -> RedlockLayer<key::Header> {
    ///     RedlockLayer::new(redlock, key::header("x-user-id")).on_reject(|rejection: &Rejection, head: &Parts| {
    ///         let wants = head.headers.get("accept").and_then(|wants| wants.to_str().ok()).unwrap_or_default();
    ///         if wants.contains("text/html") {
    ///             (rejection.status(), Html(format!("<h1>{}</h1>", rejection.title()))).into_response()
    ///         } else {
    ///             rejection.clone().into_response()
    ///         }
    ///     })
    /// }
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn on_reject<F, B>(mut self, on_reject: F) -> Self
    where
        F: Fn(&Rejection, &Parts) -> Response<B> + Send + Sync + 'static,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        self.policy.on_reject = Some(Arc::new(move |rejection, head| {
            on_reject(rejection, head).map(|body| body.map_err(Into::into).boxed_unsync())
        }));
        self
    }
}
