//! Whose request passed the layer without a lock.
//!
//! The task says so, and not the request: the first value in a request's extensions takes three allocations, and few of
//! the requests that pass ever ask.

/// Why it passed. Lets the extractor tell a request without a lock from a route without a layer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Passed {
    Method,
    NoKey,
    NoQuorum,
}

tokio::task_local! {
    static PASSED: Passed;
}

impl Passed {
    /// Polls the service's future of a request that passed.
    pub(crate) fn scope<T>(self, poll: impl FnOnce() -> T) -> T {
        PASSED.sync_scope(self, poll)
    }

    /// The same around a future.
    pub(crate) fn around<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        PASSED.scope(self, future)
    }
}

#[cfg(feature = "axum")]
impl Passed {
    /// Why the request passed whose handler runs here, if it did.
    pub(crate) fn here() -> Option<Self> {
        PASSED.try_get().ok()
    }

    pub(crate) fn why(self) -> &'static str {
        match self {
            Self::Method => {
                "the layer does not lock requests of this method; see `RedlockLayer::methods`"
            }
            Self::NoKey => "the request has no key; see `RedlockLayer::required`",
            Self::NoQuorum => "no quorum of nodes answered, and the layer fails open",
        }
    }
}
