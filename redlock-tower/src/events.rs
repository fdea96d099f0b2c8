//! The events of this crate, all in one place. They are listed in `docs/events.md`, which a test compares with this file.
//!
//! From `info` on no event names a key, an owner or a value of a request.

use redlock::Error;

const TARGET: &str = "redlock_tower";

/// A request is about to ask for its lock.
pub(crate) fn asks(key: &str) {
    tracing::debug!(target: TARGET, key, "a request asks for its lock");
}

/// The server is at fault, or its nodes are.
pub(crate) fn rejected_by_fault(reason: &'static str, error: Option<&Error>) {
    let error = error.map(|error| tracing::field::display(error.without_key()));
    tracing::warn!(target: TARGET, reason, error, "a request was rejected");
}

/// As the layer is meant to do.
pub(crate) fn rejected(reason: &'static str, error: Option<&Error>) {
    tracing::debug!(
        target: TARGET, reason, error = error.map(tracing::field::display),
        "a request was refused"
    );
}

pub(crate) fn runs_unlocked(error: &Error) {
    tracing::warn!(
        target: TARGET, error = %error.without_key(),
        "no quorum: a request runs without its lock"
    );
}

pub(crate) fn release_unconfirmed(error: &Error) {
    tracing::warn!(
        target: TARGET, error = %error.without_key(),
        "the release of a request's lock is not confirmed"
    );
}

pub(crate) fn window_unconfirmed(error: &Error) {
    tracing::warn!(
        target: TARGET, error = %error.without_key(),
        "the window after a request is not confirmed: a duplicate may run"
    );
}

/// A request of gRPC meets a layer that knows no route. Told once for each layer.
pub(crate) fn common_namespace() {
    tracing::warn!(
        target: TARGET,
        "a gRPC request meets a layer that knows no route, so that all methods of all services share one namespace, and those of one user exclude each other: add `.grpc()` to the layer, or a `.namespace(..)`"
    );
}

/// The extractor of axum that a key is made of.
#[cfg(feature = "axum")]
pub(crate) fn extractor_rejected(extractor: &'static str, status: u16) {
    tracing::debug!(
        target: TARGET, extractor, status,
        "the extractor of a key rejected the request"
    );
}

/// While the layer is built.
pub(crate) fn no_such_header(name: &str) {
    tracing::error!(
        target: TARGET, name,
        "no header can have this name: requests are answered with 500"
    );
}

#[cfg(feature = "axum")]
pub(crate) fn no_held_lock(cause: &dyn std::fmt::Display) {
    tracing::error!(target: TARGET, %cause, "a handler takes a lock that its request does not have");
}

/// The stores of first answers.
#[cfg(feature = "replay")]
pub(crate) mod replay {
    use crate::replay::StoreError;

    const TARGET: &str = "redlock_tower::replay";

    /// What an application's store says may name the key: that is for debugging.
    pub(crate) fn store_failed(so: &'static str, error: &StoreError) {
        tracing::warn!(target: TARGET, so, reason = error.reason(), "the store of first answers failed");
        store_said(error);
    }

    pub(crate) fn store_said(error: &StoreError) {
        tracing::debug!(target: TARGET, %error, "what the store of first answers said");
    }

    /// It is offered to the store again in the background.
    pub(crate) fn kept_later() {
        tracing::warn!(
            target: TARGET,
            "a first answer goes out before it is kept: repeated soon, its request may run again"
        );
    }

    pub(crate) fn not_kept() {
        tracing::warn!(
            target: TARGET,
            "a first answer is not kept: repeated, its request runs again"
        );
    }

    pub(crate) fn runs_unlocked() {
        tracing::warn!(
            target: TARGET,
            "a request runs without its lock and without its first answer being kept"
        );
    }

    pub(crate) fn not_kept_by_a_later_holder() {
        tracing::warn!(
            target: TARGET,
            "a first answer is not kept: the note of its request is gone from the store, or a later holder of the lock has been there"
        );
    }

    pub(crate) fn memory_full() {
        tracing::warn!(
            target: TARGET,
            "the memory store of first answers is full: one is forgotten before its time"
        );
    }

    pub(crate) fn does_not_fit(bytes: usize, capacity: usize) {
        tracing::warn!(
            target: TARGET, bytes, capacity,
            "an answer does not fit the memory store of first answers and is not kept: a duplicate runs again"
        );
    }
}
