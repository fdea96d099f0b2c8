//! The options of [`RedlockLayer`], as builder methods.

use super::{BoxError, HoldUntil, OnDisconnect, RedlockLayer};
use crate::{
    key::Namespace,
    reject::{BusyStatus, Rejection},
    runner::{InFlight, OnLost},
};
use bytes::Bytes;
use http::{Method, Response, request::Parts};
use http_body::Body;
use http_body_util::BodyExt as _;
use redlock::WaiterLimit;
use std::{sync::Arc, time::Duration};

/// # How long a lock is waited for and held
impl<K> RedlockLayer<K> {
    /// How long the lock outlives a crash of this process. It is renewed while the handler runs, however long that
    /// takes. Default: that of the [`Redlock`](redlock::Redlock), 10 s.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.policy.lock.options.ttl = Some(ttl);
        self
    }

    /// How long a request waits for the lock before it is rejected. Default: that of the [`Redlock`](redlock::Redlock),
    /// 10 s; with a replay, requests do not wait.
    ///
    /// In each process, requests with the same key run in the order in which they arrived.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.policy.lock.options.wait = Some(wait);
        self
    }

    /// Rejects a request at once if its key is held.
    #[must_use]
    pub fn no_wait(self) -> Self {
        self.wait(Duration::ZERO)
    }

    /// Limits how many requests of this process may wait for one key, and in total. Further ones are rejected with 429.
    /// Clones of one limit count together, also in other layers. Default: 100 and 10,000.
    ///
    /// ```
    /// use redlock::{Redlock, WaiterLimit};
    /// use redlock_tower::{RedlockLayer, key};
    ///
    /// fn layer(redlock: Redlock) -> RedlockLayer<key::Header> {
    ///     RedlockLayer::new(redlock, key::header("x-user-id"))
    ///         .max_waiters(&WaiterLimit::new(10, 1_000))
    /// }
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn max_waiters(mut self, limit: &WaiterLimit) -> Self {
        self.policy.lock.options.max_waiters = Some(limit.clone());
        self
    }

    /// How many requests with the same key may run at the same time, over all instances of the service: see
    /// [`Redlock::semaphore`](redlock::Redlock::semaphore). Default: one, under an exclusive lock.
    ///
    /// Combined with a replay, which needs an exclusive lock, with [`dedupe_for`](Self::dedupe_for) or with
    /// [`reentrant`](Self::reentrant), every request is rejected with 500.
    #[must_use]
    pub fn permits(mut self, permits: u32) -> Self {
        self.policy.lock.options.permits = Some(permits);
        self
    }

    /// Requests with the same key may run at the same time, over all instances of the service, while none of them
    /// [`write`](Self::write)s. See [`Redlock::rwlock`](redlock::Redlock::rwlock). GET and HEAD are locked as well, unless
    /// [`methods`](Self::methods) says otherwise. Default: an exclusive lock, which is independent of
    /// the read/write lock of the same key.
    ///
    /// ```
    /// use axum::{Router, routing::{get, post}};
    /// use redlock::Redlock;
    /// use redlock_tower::{RedlockLayer, key};
    ///
    /// async fn show() {}
    /// async fn change() {}
    ///
    /// fn app(redlock: Redlock) -> Router {
    ///     let by_item = || RedlockLayer::new(redlock.clone(), key::path("item"));
    ///     let shown = get(show).layer(by_item().read());
    ///     let changed = post(change).layer(by_item().write());
    ///     Router::new().route("/catalog/{item}", shown.merge(changed))
    /// }
    /// # let _ = app;
    /// ```
    ///
    /// Combined with a replay, which needs an exclusive lock, with [`dedupe_for`](Self::dedupe_for),
    /// [`at_least`](Self::at_least) or [`permits`](Self::permits), every request is rejected with 500.
    #[must_use]
    pub fn read(mut self) -> Self {
        self.policy.lock.options.read = true;
        self
    }

    /// A request runs alone: no other request [`read`](Self::read)s or writes the same key meanwhile. See
    /// [`Redlock::rwlock`](redlock::Redlock::rwlock).
    ///
    /// Combined with a replay, which needs an exclusive lock, or with [`permits`](Self::permits), every request is rejected
    /// with 500.
    #[must_use]
    pub fn write(mut self) -> Self {
        self.policy.lock.options.write = true;
        self
    }

    /// Whether the newest request with a key wins, over all instances of the service, for autosave and searches. Default: off.
    ///
    /// The older requests are answered with 409 and the reason [`Superseded`](crate::Reason::Superseded): those that wait do
    /// not run, and the handler of the one that runs is cancelled at its next await, before the newer one begins. Of
    /// the handlers that run to their ends, that of the newest request runs last, so what it stores stays. A request is newer
    /// than those that had reached the nodes before it: see
    /// [`LockRequest::newest_wins`](redlock::LockRequest::newest_wins).
    ///
    /// ```
    /// use axum::{Router, routing::put};
    /// use redlock::Redlock;
    /// use redlock_tower::{RedlockLayer, key};
    ///
    /// async fn save(_text: String) {}
    ///
    /// fn app(redlock: Redlock) -> Router {
    ///     let newest = RedlockLayer::new(redlock, key::path("document")).newest_wins(true);
    ///     Router::new().route("/documents/{document}", put(save)).layer(newest)
    /// }
    /// # let _ = app;
    /// ```
    ///
    /// Searches are GET requests, which are locked only where [`methods`](Self::methods) names GET. Combined with
    /// [`no_wait`](Self::no_wait), a replay (whose duplicates must not supersede the first request), [`dedupe_for`](Self::dedupe_for),
    /// [`at_least`](Self::at_least), [`permits`](Self::permits), [`read`](Self::read), [`write`](Self::write) or
    /// [`reentrant`](Self::reentrant), every request is rejected with 500. With [`OnLost::Signal`](crate::OnLost::Signal), a
    /// handler that is superseded runs on and may run beside the newer one.
    #[must_use]
    pub fn newest_wins(mut self, on: bool) -> Self {
        self.policy.lock.options.newest_wins = on;
        self
    }

    /// Whether the lock is renewed while the handler runs. Off, the lock is lost when its ttl is over. Default: on.
    #[must_use]
    pub fn keep_alive(mut self, on: bool) -> Self {
        self.policy.lock.options.keep_alive = on;
        self
    }

    /// Ends the lock after this time, as if it were lost: see [`on_lost`](Self::on_lost). Default: no limit.
    #[must_use]
    pub fn max_hold(mut self, max_hold: Duration) -> Self {
        self.policy.lock.options.max_hold = Some(max_hold);
        self
    }

    /// When the lock is released. Default: [`HoldUntil::Response`].
    #[must_use]
    pub fn hold_until(mut self, until: HoldUntil) -> Self {
        self.policy.hold_until = until;
        self
    }

    /// Keeps the key busy for at least this time from the grant, however the request ends. Default: 0.
    ///
    /// With a replay, a repetition within this time is rejected with the reason [`Answered`](crate::Reason::Answered), as every
    /// other request with the key is: the lock comes before the record. `Retry-After` is the rest of the time, and the
    /// repetition gets the recorded response after it.
    ///
    /// Combined with `share`, whose duplicates it would refuse, every request is rejected with 500.
    #[must_use]
    pub fn at_least(mut self, at_least: Duration) -> Self {
        self.policy.lock.options.at_least = Some(at_least);
        self
    }

    /// Keeps the key busy for this long after a success, so that a late duplicate is rejected too. After a failure (see
    /// [`failure_if`](Self::failure_if)) the key is free at once. Default: 0.
    #[must_use]
    pub fn dedupe_for(mut self, window: Duration) -> Self {
        self.policy.lock.dedupe_for(window);
        self
    }

    /// Which responses are failures: after a failure there is no cool-down, and a replay does not record it.
    ///
    /// Default: every status but 2xx and 3xx, and every gRPC status but OK, which is read from the trailers if it is
    /// not in the headers.
    ///
    /// The closure sees only the head of the response. These are failures whatever it returns: an error of the service,
    /// a panic, a cancelled handler, a rejection by an inner layer, and the statuses 408, 425 and 429, which ask the
    /// client to try again. `|head| head.status.is_server_error()` treats a handler's 4xx as a success.
    #[must_use]
    pub fn failure_if(
        mut self,
        failure: impl Fn(&http::response::Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.policy.failure = Some(Arc::new(failure));
        self
    }
}

/// # Which requests are locked, and by which key
impl<K> RedlockLayer<K> {
    /// Rejects requests without a key with 400. Default: they run without a lock.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.policy.required = true;
        self
    }

    /// The largest body, in bytes, that is read for a key [in the body](crate::key::WithBody). A request with a larger one is
    /// rejected with 413. Default: 1 MiB.
    ///
    /// The body is in memory until the handler has read it, also while the request waits for its lock. Requests whose key
    /// is in the head are not limited.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.policy.max_body = bytes;
        self
    }

    /// Locks requests with these methods only. GET includes HEAD, which runs the same handler. Default: all methods but
    /// GET, HEAD, OPTIONS and TRACE; GET and HEAD as well where requests [`read`](Self::read).
    #[must_use]
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.policy.methods = Some(methods.into_iter().collect());
        self
    }

    /// Puts keys into this namespace. Default: the route that the router matched, such as `/orders/{id}`.
    ///
    /// Set it if one handler has several routes, or if the layer is outside of the router, where all requests share one
    /// namespace.
    #[must_use]
    pub fn namespace(mut self, name: impl AsRef<str>) -> Self {
        self.policy.render.namespace = Namespace::Named(Arc::from(name.as_ref()));
        self
    }

    /// For gRPC services, such as a tonic server: puts keys into the namespace of the request's path, which names the
    /// method, and sends every rejection as a `grpc-status`.
    ///
    /// Default: the route as the namespace, and a `grpc-status` only for requests with `content-type: application/grpc`.
    #[must_use]
    pub fn grpc(mut self) -> Self {
        self.policy.grpc = true;
        if let Namespace::Route = self.policy.render.namespace {
            self.policy.render.namespace = Namespace::GrpcMethod;
        }
        self
    }

    /// Stores every key as its SHA-256, for keys that are secrets, such as a session cookie. Default: only keys above
    /// 200 bytes are hashed.
    #[must_use]
    pub fn hash_keys(mut self) -> Self {
        self.policy.render.always_hash = true;
        self
    }

    /// Whether a request joins the lock if its task already holds the same key, because an outer layer or handler
    /// acquired it. Off, the request is rejected with 500, since it would wait for itself. Default: off.
    ///
    /// The lock of an outer layer is recognized behind a middleware that spawns the request too, as long as it passes on the
    /// extensions. That of a handler is not: a task that is spawned under it runs under no lock.
    ///
    /// A joined lock ends with the outer holder. [`max_hold`](Self::max_hold), [`at_least`](Self::at_least) and
    /// [`dedupe_for`](Self::dedupe_for) contradict that: with one of them every request is rejected with 500.
    #[must_use]
    pub fn reentrant(mut self, on: bool) -> Self {
        self.policy.lock.options.reentrant = on;
        self
    }
}

/// # What happens if something fails
impl<K> RedlockLayer<K> {
    /// What happens to the handler when the lock is lost. Default: [`OnLost::Cancel`].
    #[must_use]
    pub fn on_lost(mut self, on_lost: OnLost) -> Self {
        self.policy.lock.on_lost = on_lost;
        self
    }

    /// What happens to the handler when its client disconnects. Default: [`OnDisconnect::Cancel`]; with a replay
    /// [`OnDisconnect::Finish`], because a client that gave up tries again, and must not run the handler twice.
    #[must_use]
    pub fn on_disconnect(mut self, on_disconnect: OnDisconnect) -> Self {
        self.policy.on_disconnect = Some(on_disconnect);
        self
    }

    /// Counts the requests that may outlive their clients, so that a shutdown can wait for them: see [`InFlight`]. Default:
    /// they are not counted.
    #[must_use]
    pub fn in_flight(mut self, in_flight: &InFlight) -> Self {
        self.policy.in_flight = Some(in_flight.clone());
        self
    }

    /// Runs requests **without the lock** while no quorum of nodes answers. A replay still reads and writes its store.
    /// Default: such requests are rejected with 503.
    #[must_use]
    pub fn fail_open(mut self) -> Self {
        self.policy.lock.fail_open();
        self
    }

    /// The status of a rejection because the key is busy. Default: 409.
    #[must_use]
    pub fn busy_status(mut self, status: BusyStatus) -> Self {
        self.policy.busy = status;
        self
    }

    /// Prefix of the `type` of problem details, such as the URL under which your API documents them. The
    /// [reason](crate::Reason::as_str) follows it: `https://example.com/problems/busy`. Default: `urn:problem-type:redlock:`.
    ///
    /// ```
    /// use redlock_tower::{RedlockLayer, key};
    ///
    /// # fn layer(redlock: redlock::Redlock) {
    /// let _ = RedlockLayer::new(redlock, key::header("x-user-id"))
    ///     .problem_types("https://example.com/problems/");
    /// # }
    /// ```
    #[must_use]
    pub fn problem_types(mut self, base: impl AsRef<str>) -> Self {
        self.policy.problem_types = Some(Arc::from(base.as_ref()));
        self
    }

    /// Builds the response of a rejection, for example HTML for a browser and JSON for other clients. Default: problem
    /// details as in RFC 9457, or a `grpc-status`.
    ///
    /// The [`Rejection`] is put into the response's extensions in either case. Each request's head is copied, so that
    /// the closure can read it. [`Rejection::negotiated`] is a ready function for it, with a plain HTML page.
    ///
    /// ```
    /// use axum::response::{Html, IntoResponse};
    /// use http::request::Parts;
    /// use redlock::Redlock;
    /// use redlock_tower::{RedlockLayer, Rejection, key};
    ///
    /// fn layer(redlock: Redlock) -> RedlockLayer<key::Header> {
    ///     let layer = RedlockLayer::new(redlock, key::header("x-user-id"));
    ///     layer.on_reject(|rejection: &Rejection, head: &Parts| {
    ///         let accept = head.headers.get("accept").and_then(|accept| accept.to_str().ok());
    ///         if accept.is_some_and(|accept| accept.contains("text/html")) {
    ///             let page = Html(format!("<h1>{}</h1>", rejection.title()));
    ///             (rejection.status(), page).into_response()
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
