//! Why a request was not served.

use http::StatusCode;

/// Why the layer answered in place of the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The key is held, and the layer does not wait.
    Busy,
    /// A request with this key succeeded a moment ago, and its window is not over; see
    /// [`dedupe_for`](crate::RedlockLayer::dedupe_for). Requests that wait are answered with this, too.
    Answered,
    /// The key is held, and the wait ran out.
    TimedOut,
    /// More requests wait already than the layer allows.
    TooManyWaiters,
    /// Too few nodes answered: nobody can say who holds the lock.
    NoQuorum,
    /// The lock was lost while the handler ran, and the handler was cancelled: how far it got is not known.
    Lost,
    /// The request has no key, and the layer requires one.
    NoKey,
    /// The request has something in the key's place that is no key.
    InvalidKey,
    /// The key could not be told now: its look-up failed.
    KeyUnavailable,
    /// An outer layer holds the very same key for this request.
    AlreadyHeld,
    /// The lock service is closed, or the runtime is: the process is stopping.
    Stopping,
    /// The layer's options or an exact key were refused by the lock.
    Misconfigured,
    /// The `Idempotency-Key` was used before, with another request.
    KeyReused,
    /// The first answer under this `Idempotency-Key` was not kept: it was too large, or a stream.
    NotReplayable,
    /// The body is larger than the layer reads to compare it with an earlier one.
    BodyTooLarge,
    /// The body could not be read.
    BodyUnreadable,
    /// The store of first answers did not answer.
    StoreUnavailable,
}

impl Reason {
    /// A short name for clients and logs, as in `busy` or `no-quorum`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Answered => "answered",
            Self::TimedOut => "timed-out",
            Self::TooManyWaiters => "too-many-waiters",
            Self::NoQuorum => "no-quorum",
            Self::Lost => "lost",
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
            Self::NoQuorum => "The lock service cannot be reached",
            Self::Lost => "The request was interrupted",
            Self::NoKey => "A required key is missing from the request",
            Self::InvalidKey => "The key of the request is invalid",
            Self::KeyUnavailable => "The key of the request cannot be determined now",
            Self::AlreadyHeld | Self::Misconfigured => "The server is not configured correctly",
            Self::Stopping => "The server is stopping",
            Self::KeyReused => "The Idempotency-Key was used for another request",
            Self::NotReplayable => "The request was processed, and its answer was not kept",
            Self::BodyTooLarge => "The request body is too large",
            Self::BodyUnreadable => "The request body could not be read",
            Self::StoreUnavailable => "The store of earlier answers cannot be reached",
        }
    }

    pub(super) fn detail(self) -> &'static str {
        match self {
            Self::Busy => "Wait for the answer to the first one, or try again later.",
            Self::Answered => {
                "It was not processed again. Use the first answer; try again later if this is a new request."
            }
            Self::TimedOut | Self::TooManyWaiters => "Try again later.",
            Self::NoQuorum | Self::KeyUnavailable | Self::Stopping | Self::StoreUnavailable => {
                "The request was not processed. Try again later."
            }
            Self::Lost => "How far it got is not known. Look before you try again.",
            Self::NoKey => {
                "The request was not processed. Send the key that this resource asks for."
            }
            Self::InvalidKey => "The request was not processed.",
            Self::AlreadyHeld | Self::Misconfigured => {
                "The request was not processed. The server's log says more."
            }
            Self::KeyReused => {
                "Use a fresh Idempotency-Key for each new request, and the same one only to repeat it."
            }
            Self::NotReplayable => "It is not processed again. Look up what came of it.",
            Self::BodyTooLarge => {
                "With an Idempotency-Key this resource takes smaller bodies only."
            }
            Self::BodyUnreadable => {
                "The request was not processed. Send it again with the same Idempotency-Key."
            }
        }
    }

    /// The status, but for the choice between 409, 423 and 429.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Busy | Self::Answered | Self::TimedOut | Self::NotReplayable => {
                StatusCode::CONFLICT
            }
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

    /// Whether trying again soon, unchanged, is good advice.
    pub(super) fn is_passing(self) -> bool {
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

    /// The status as gRPC's codes have it.
    pub(super) fn grpc_code(self) -> u8 {
        match self {
            Self::NoKey | Self::InvalidKey | Self::BodyTooLarge | Self::BodyUnreadable => 3, // INVALID_ARGUMENT
            Self::Answered => 6,                            // ALREADY_EXISTS
            Self::TooManyWaiters => 8,                      // RESOURCE_EXHAUSTED
            Self::KeyReused | Self::NotReplayable => 9,     // FAILED_PRECONDITION
            Self::Busy | Self::TimedOut | Self::Lost => 10, // ABORTED
            Self::AlreadyHeld | Self::Misconfigured => 13,  // INTERNAL
            Self::NoQuorum | Self::KeyUnavailable | Self::Stopping | Self::StoreUnavailable => 14, // UNAVAILABLE
        }
    }
}
