//! The events of this crate. `docs/events.md` lists them; a test compares it with this file.
//!
//! No event at `info` or above contains a key, an owner or a value of a request. A subscriber that panics costs its event, and
//! no request.

use crate::metrics;
use redlock::{__private::contained, Error};

const TARGET: &str = "redlock_tower";

/// A request runs without a lock, because it has no key.
pub(crate) fn runs_without_key() {
    contained(|| {
        metrics::runs_without_key();
        tracing::debug!(target: TARGET, "a request has no key, so it runs without a lock");
    });
}

pub(crate) fn acquiring(key: &str) {
    contained(|| {
        tracing::debug!(target: TARGET, key, "acquiring the lock of a request");
    });
}

/// A rejection that an operator has to look into.
pub(crate) fn rejected_by_fault(reason: &'static str, error: Option<&Error>) {
    contained(|| {
        metrics::rejected(reason);
        let error = error.map(|error| tracing::field::display(error.without_key()));
        tracing::warn!(target: TARGET, reason, error, "a request was rejected");
    });
}

/// A rejection in normal operation.
pub(crate) fn rejected(reason: &'static str, error: Option<&Error>) {
    contained(|| {
        metrics::rejected(reason);
        tracing::debug!(
            target: TARGET, reason, error = error.map(tracing::field::display),
            "a request was rejected"
        );
    });
}

pub(crate) fn runs_unlocked(error: &Error) {
    contained(|| {
        metrics::runs_without_quorum();
        tracing::warn!(
            target: TARGET, error = %error.without_key(),
            "no quorum: a request runs without its lock"
        );
    });
}

pub(crate) fn release_unconfirmed(error: &Error) {
    contained(|| {
        metrics::release_unconfirmed();
        tracing::warn!(
            target: TARGET, error = %error.without_key(),
            "no quorum confirmed the release of a request's lock"
        );
    });
}

pub(crate) fn cooled_down() {
    contained(|| {
        metrics::window(true);
    });
}

pub(crate) fn cool_down_unconfirmed(error: &Error) {
    contained(|| {
        metrics::window(false);
        tracing::warn!(
            target: TARGET, error = %error.without_key(),
            "no quorum confirmed the cool-down after a request: a duplicate may run"
        );
    });
}

/// Emitted once for each layer.
pub(crate) fn common_namespace() {
    contained(|| {
        tracing::warn!(
            target: TARGET,
            "gRPC requests reach a layer that knows no route, so all methods of all services share one namespace, and calls of one user exclude each other: add `.grpc()` or `.namespace(..)` to the layer"
        );
    });
}

#[cfg(feature = "axum")]
pub(crate) fn extractor_rejected(extractor: &'static str, status: u16) {
    contained(|| {
        tracing::debug!(
            target: TARGET, extractor, status,
            "the axum extractor of a key rejected a request"
        );
    });
}

/// What the client sends makes no difference.
pub(crate) fn key_not_provided(cause: &dyn std::fmt::Display) {
    contained(|| {
        tracing::error!(
            target: TARGET, %cause,
            "the server provides no value for the key of a layer: the request is rejected with 500"
        );
    });
}

/// Emitted when the key extractor is built.
pub(crate) fn invalid_header_name(name: &str) {
    contained(|| {
        tracing::error!(
            target: TARGET, name,
            "a key extractor has an invalid header name: every request is rejected with 500"
        );
    });
}

/// Emitted when the key extractor is built.
pub(crate) fn invalid_network(network: &str) {
    contained(|| {
        tracing::error!(
            target: TARGET, network,
            "a trusted proxy of a key extractor is not an address or a network: every request is rejected with 500"
        );
    });
}

/// Emitted when the key extractor is built.
pub(crate) fn invalid_pointer(pointer: &str) {
    contained(|| {
        tracing::error!(
            target: TARGET, pointer,
            "a key extractor has a malformed JSON pointer: every request is rejected with 500"
        );
    });
}

#[cfg(feature = "axum")]
pub(crate) fn no_held_lock(cause: &dyn std::fmt::Display) {
    contained(|| {
        tracing::error!(target: TARGET, %cause, "a handler takes a `HeldLock`, but its request has no lock");
    });
}

#[cfg(feature = "replay")]
pub(crate) mod replay {
    use crate::metrics;
    use redlock::__private::contained;
    use std::fmt::Display;

    const TARGET: &str = "redlock_tower::replay";

    /// The error of a user's store may contain the key, so `warn` gets its reason only.
    pub(crate) fn store_failed(
        effect: &'static str,
        reason: Option<&'static str>,
        error: &dyn Display,
    ) {
        contained(|| {
            tracing::warn!(target: TARGET, effect, reason, "the replay store failed");
            store_error(error);
        });
    }

    pub(crate) fn store_error(error: &dyn Display) {
        contained(|| {
            metrics::store_failed();
            tracing::debug!(target: TARGET, %error, "error of the replay store");
        });
    }

    /// What the store knew of a request.
    pub(crate) fn decided(outcome: &'static str) {
        contained(|| {
            metrics::replay(outcome);
        });
    }

    pub(crate) fn recorded() {
        contained(|| {
            metrics::record("recorded");
        });
    }

    /// The write continues in the background.
    pub(crate) fn recorded_late() {
        contained(|| {
            metrics::record("late");
            tracing::warn!(
                target: TARGET,
                "a response is sent before it is recorded: an early duplicate may run"
            );
        });
    }

    pub(crate) fn not_recorded() {
        contained(|| {
            metrics::record("not-recorded");
            tracing::warn!(
                target: TARGET,
                "a response is not recorded, because the replay store keeps failing: a duplicate runs again"
            );
        });
    }

    pub(crate) fn runs_unlocked() {
        contained(|| {
            tracing::warn!(
                target: TARGET,
                "a request runs without its lock, and its response is not recorded"
            );
        });
    }

    pub(crate) fn superseded() {
        contained(|| {
            metrics::record("superseded");
            tracing::warn!(
                target: TARGET,
                "a response is not recorded, because its in-progress marker is gone, or is that of a later holder of the lock"
            );
        });
    }

    pub(crate) fn memory_full() {
        contained(|| {
            tracing::warn!(
                target: TARGET,
                "the memory store is full: a record is dropped before it has expired"
            );
        });
    }

    pub(crate) fn exceeds_memory(bytes: usize, capacity: usize) {
        contained(|| {
            tracing::warn!(
                target: TARGET, bytes, capacity,
                "a response exceeds the capacity of the memory store and is not recorded: a duplicate runs again"
            );
        });
    }
}
