//! The mark on a request that passed the layer without a lock.

/// Why it passed. Lets the extractor tell a request without a lock from a route without a layer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Passed {
    Method,
    NoKey,
    NoQuorum,
}

#[cfg(feature = "axum")]
impl Passed {
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
