//! Why a request was rejected, with the texts and codes of each reason.

use http::StatusCode;

/// Why the layer rejected a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The key is held, and the layer does not wait.
    Busy,
    /// The key is in the cool-down after an earlier request: see [`dedupe_for`](crate::RedlockLayer::dedupe_for) and
    /// [`at_least`](crate::RedlockLayer::at_least). Requests that wait when it begins are rejected too.
    Answered,
    /// The key was held until the wait was over.
    TimedOut,
    /// More requests wait than [`max_waiters`](crate::RedlockLayer::max_waiters) allows.
    TooManyWaiters,
    /// Too few nodes answered, or may vote, to tell who holds the lock.
    NoQuorum,
    /// The lock was lost while the handler ran, and the handler was cancelled. How far it got is unknown.
    Lost,
    /// A newer request with the same key was made, and the newest wins: see [`newest_wins`](crate::RedlockLayer::newest_wins).
    /// This one was rejected before its handler ran, or its handler was cancelled.
    Superseded,
    /// The request has no key, and the layer requires one.
    NoKey,
    /// The key of the request is malformed or ambiguous.
    InvalidKey,
    /// The key cannot be determined now, because a look-up failed.
    KeyUnavailable,
    /// An outer layer holds the same key for this request.
    AlreadyHeld,
    /// The [`Redlock`](redlock::Redlock) is closed, or the runtime is shutting down.
    Stopping,
    /// The lock refused the layer's options, or an exact key.
    Misconfigured,
    /// The `Idempotency-Key` was used for a different request.
    KeyReused,
    /// The request has run before, but its response was not recorded: it was too large, too slow, or a stream.
    NotReplayable,
    /// The request body exceeds [`max_body`](crate::RedlockLayer::max_body), or the limit of the replay or of an outer layer.
    BodyTooLarge,
    /// The request body could not be read.
    BodyUnreadable,
    /// The replay store failed, or may have forgotten the record of the request.
    StoreUnavailable,
}

impl Reason {
    /// A short name for clients and logs, such as `busy` or `no-quorum`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Answered => "answered",
            Self::TimedOut => "timed-out",
            Self::TooManyWaiters => "too-many-waiters",
            Self::NoQuorum => "no-quorum",
            Self::Lost => "lost",
            Self::Superseded => "superseded",
            Self::NoKey => "no-key",
            Self::InvalidKey => "invalid-key",
            Self::KeyUnavailable => "key-unavailable",
            Self::AlreadyHeld => "already-held",
            Self::Stopping => "stopping",
            Self::Misconfigured => "misconfigured",
            Self::KeyReused => "key-reused",
            Self::NotReplayable => "not-replayable",
            Self::BodyTooLarge => "body-too-large",
            Self::BodyUnreadable => "body-unreadable",
            Self::StoreUnavailable => "store-unavailable",
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Busy => "A request like this one is being processed",
            Self::Answered => "A request like this one was answered a moment ago",
            Self::TimedOut => "Earlier requests like this one are still being processed",
            Self::TooManyWaiters => "Too many requests like this one are waiting",
            Self::NoQuorum => "The lock service is not available",
            Self::Lost => "The request was interrupted",
            Self::Superseded => "A newer request replaced this one",
            Self::NoKey => "A required key is missing from the request",
            Self::InvalidKey => "The key of the request is invalid",
            Self::KeyUnavailable => "The key of the request cannot be determined now",
            Self::AlreadyHeld | Self::Misconfigured => "The server is not configured correctly",
            Self::Stopping => "The server is stopping",
            Self::KeyReused => "The Idempotency-Key was used for another request",
            Self::NotReplayable => "The request was processed, but its response was not recorded",
            Self::BodyTooLarge => "The request body is too large",
            Self::BodyUnreadable => "The request body could not be read",
            Self::StoreUnavailable => "The store of recorded responses is not available",
        }
    }

    pub(super) fn detail(self) -> &'static str {
        match self {
            Self::Busy => "Wait for the response to the first one, or try again later.",
            Self::Answered => {
                "It was not processed again. Use the first response; try again later if this is a new request."
            }
            Self::TimedOut | Self::TooManyWaiters => "Try again later.",
            Self::NoQuorum | Self::KeyUnavailable | Self::Stopping | Self::StoreUnavailable => {
                "The request was not processed. Try again later."
            }
            Self::Lost => "How far it got is unknown. Check its effects before you try again.",
            Self::Superseded => "Use the response to the newest one.",
            Self::NoKey => {
                "The request was not processed. Send the key that this resource requires."
            }
            Self::InvalidKey => "The request was not processed.",
            Self::AlreadyHeld | Self::Misconfigured => {
                "The request was not processed. The server's log says more."
            }
            Self::KeyReused => {
                "Use a new Idempotency-Key for each new request, and the same one only to repeat a request."
            }
            Self::NotReplayable => "It was not processed again. Check its effects.",
            Self::BodyTooLarge => {
                "The request was not processed. This resource accepts smaller bodies only."
            }
            Self::BodyUnreadable => {
                "The request was not processed. Send it again, with the same Idempotency-Key if it had one."
            }
        }
    }

    /// The status, before [`BusyStatus`](super::BusyStatus) is applied.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Busy
            | Self::Answered
            | Self::TimedOut
            | Self::Superseded
            | Self::NotReplayable => StatusCode::CONFLICT,
            Self::TooManyWaiters => StatusCode::TOO_MANY_REQUESTS,
            Self::NoQuorum
            | Self::Lost
            | Self::KeyUnavailable
            | Self::Stopping
            | Self::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoKey | Self::InvalidKey | Self::BodyUnreadable => StatusCode::BAD_REQUEST,
            Self::AlreadyHeld | Self::Misconfigured => StatusCode::INTERNAL_SERVER_ERROR,
            Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }

    /// Whether the same request may succeed if it is sent again soon.
    pub(super) fn is_temporary(self) -> bool {
        matches!(
            self,
            Self::Busy
                | Self::Answered
                | Self::TimedOut
                | Self::TooManyWaiters
                | Self::NoQuorum
                | Self::KeyUnavailable
                | Self::Stopping
                | Self::StoreUnavailable
        )
    }

    pub(super) fn grpc_code(self) -> u8 {
        match self {
            Self::NoKey | Self::InvalidKey | Self::BodyTooLarge | Self::BodyUnreadable => 3, // INVALID_ARGUMENT
            Self::Answered => 6,                        // ALREADY_EXISTS
            Self::TooManyWaiters => 8,                  // RESOURCE_EXHAUSTED
            Self::KeyReused | Self::NotReplayable => 9, // FAILED_PRECONDITION
            Self::Busy | Self::TimedOut | Self::Lost | Self::Superseded => 10, // ABORTED
            Self::AlreadyHeld | Self::Misconfigured => 13, // INTERNAL
            Self::NoQuorum | Self::KeyUnavailable | Self::Stopping | Self::StoreUnavailable => 14, // UNAVAILABLE
        }
    }
}
