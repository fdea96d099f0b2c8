//! Why a request runs without a lock.
//!
//! The reason is a task-local value rather than an extension of the request: the first extension of a request costs three
//! allocations, and few of the requests without a lock ever ask for the reason.

/// By this, the extractor distinguishes a request without a lock from a route without a layer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unlocked {
    Method,
    NoKey,
    NoQuorum,
}

tokio::task_local! {
    static UNLOCKED: Unlocked;
}

impl Unlocked {
    /// Calls `poll`, which polls the service's future.
    pub(crate) fn scope<T>(self, poll: impl FnOnce() -> T) -> T {
        UNLOCKED.sync_scope(self, poll)
    }

    /// Wraps the service's future.
    pub(crate) fn around<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        UNLOCKED.scope(self, future)
    }
}

#[cfg(feature = "axum")]
impl Unlocked {
    /// The reason for the request whose handler runs in this task, if it runs without a lock.
    pub(crate) fn current() -> Option<Self> {
        UNLOCKED.try_get().ok()
    }

    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Method => {
                "the layer does not lock requests with this method; see `RedlockLayer::methods`"
            }
            Self::NoKey => "the request has no key; see `RedlockLayer::required`",
            Self::NoQuorum => "no quorum of nodes answered, and the layer fails open",
        }
    }
}
