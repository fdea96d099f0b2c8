//! What can go wrong, and what to do about it.

mod causes;
mod display;
mod kind;
mod node;

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

pub use self::{kind::ErrorKind, node::NodeError};
pub use crate::fault::FaultKind;
use crate::label::Label;

/// The result of the operations of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a lock was not acquired, extended or released. Cheap to clone.
///
/// Ask it with the `is_*` methods, or by [`kind`](Self::kind). What a service answers:
///
/// | | | status |
/// |---|---|---|
/// | [`is_busy`](Self::is_busy), [`is_timed_out`](Self::is_timed_out) | another holds the lock; [`retry_after`](Self::retry_after) says for how long at most | 409 |
/// | [`is_cooling_down`](Self::is_cooling_down) | the work was done a moment ago | 409 |
/// | [`is_superseded`](Self::is_superseded) | a newer request takes its place | 409 |
/// | [`is_too_many_waiters`](Self::is_too_many_waiters) | the limit on those that wait | 429 |
/// | [`is_no_quorum`](Self::is_no_quorum) | too few nodes can vote; [`node_errors`](Self::node_errors) has the causes | 503 |
/// | [`is_lost`](Self::is_lost), [`is_expired`](Self::is_expired) | the lock ended too early | 503 |
/// | [`is_closed`](Self::is_closed) | the client was closed, at shutdown | 503 |
/// | [`is_invalid`](Self::is_invalid), [`is_already_held`](Self::is_already_held), [`is_not_configured`](Self::is_not_configured) | a mistake in the program | 500 |
///
/// `redlock_tower::Rejection` is made from an error, and answers like this.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    key: Option<String>,
    text: Cow<'static, str>,
    retry_after: Option<Duration>,
    held_by: Option<Label>,
    nodes: Vec<NodeError>,
}

impl Error {
    fn new(kind: ErrorKind, text: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Inner {
            kind,
            key: None,
            text: text.into(),
            retry_after: None,
            held_by: None,
            nodes: Vec::new(),
        }))
    }

    fn about(self, key: &str) -> Self {
        /// No valid key is longer. One that was not checked yet may have any length.
        const MAX_LEN: usize = 1024;
        let key = match key.len() {
            0..=MAX_LEN => key.to_owned(),
            _ => shortened(key),
        };
        self.map(|inner| inner.key = Some(key))
    }

    fn retry(self, after: Option<Duration>) -> Self {
        self.map(|inner| inner.retry_after = after)
    }

    fn map(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        // Only called on errors that were just made and are not shared yet.
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            change(inner);
        }
        self
    }

    fn held_by(self, label: Option<Label>) -> Self {
        self.map(|inner| inner.held_by = label)
    }
}

impl Error {
    /// The class of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The lock is not available now: another client holds it and the request did not wait, or its
    /// key [cools down](Self::is_cooling_down). [`kind`](Self::kind) distinguishes the two.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self.kind(), ErrorKind::Busy | ErrorKind::CoolingDown)
    }

    /// Nobody holds the lock, but its key stays busy for the rest of a window because the work was
    /// done a moment ago: [`Guard::cool_down`](crate::Guard::cool_down), the rest of
    /// [`at_least`](crate::LockRequest::at_least), or a firing that ran. Returned at once, also to
    /// requests that would wait. [`retry_after`](Self::retry_after) is the rest of the window.
    #[must_use]
    pub fn is_cooling_down(&self) -> bool {
        self.kind() == ErrorKind::CoolingDown
    }

    /// Another client held the lock until the wait was over.
    #[must_use]
    pub fn is_timed_out(&self) -> bool {
        self.kind() == ErrorKind::TimedOut
    }

    /// The request would have to wait, and [`max_waiters`](crate::LockRequest::max_waiters) is
    /// reached.
    #[must_use]
    pub fn is_too_many_waiters(&self) -> bool {
        self.kind() == ErrorKind::TooManyWaiters
    }

    /// Fewer nodes than a majority could vote. [`node_errors`](Self::node_errors) has the causes.
    #[must_use]
    pub fn is_no_quorum(&self) -> bool {
        self.kind() == ErrorKind::NoQuorum
    }

    /// The lock was lost while it was held.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.kind() == ErrorKind::Lost
    }

    /// A newer request for the same lock was made, and this one was made with
    /// [`newest_wins`](crate::LockRequest::newest_wins). It either did not get the lock or lost it.
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        self.kind() == ErrorKind::Superseded
    }

    /// The lock had ended by a loss, to a newer request or otherwise, which has had its event.
    pub(crate) fn is_of_lost_lock(&self) -> bool {
        self.is_lost() || self.is_superseded()
    }

    /// A majority granted the lock, but too late for its ttl to be of use. Nothing of it is left on the nodes.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.kind() == ErrorKind::Expired
    }

    /// Too few nodes have been up for as long as the [register](crate::Guard::write) of the key is remembered, so that
    /// "empty" may mean "forgotten". Either a majority restarted, or this is a first deployment, see
    /// [`trust_nodes`](crate::Redlock::trust_nodes).
    #[must_use]
    pub fn is_forgotten(&self) -> bool {
        self.kind() == ErrorKind::Forgotten
    }

    /// This task already runs under the lock, inside of `run`, a layer or the attribute, and would wait for itself.
    #[must_use]
    pub fn is_already_held(&self) -> bool {
        self.kind() == ErrorKind::AlreadyHeld
    }

    /// The ticket was adopted before, or its time is over.
    #[must_use]
    pub fn is_ticket_over(&self) -> bool {
        self.kind() == ErrorKind::TicketOver
    }

    /// No process default was set.
    #[must_use]
    pub fn is_not_configured(&self) -> bool {
        self.kind() == ErrorKind::NotConfigured
    }

    /// The client was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.kind() == ErrorKind::Closed
    }

    /// A key, a duration, a value, a node or a setting cannot be used, or other clients have another one.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::InvalidKey
                | ErrorKind::InvalidTtl
                | ErrorKind::InvalidNodes
                | ErrorKind::InvalidConfig
                | ErrorKind::OtherPermits
                | ErrorKind::InvalidTicket
                | ErrorKind::ValueTooLarge
        )
    }

    /// The rest of the holder's lease or of the cool-down, if it is known. An earlier retry
    /// succeeds only if the holder releases early, and never during a cool-down. Where a register
    /// [may be forgotten](Self::is_forgotten), the time until enough nodes are as old as its retention. Where there is
    /// [no quorum](Self::is_no_quorum) because nodes restarted, the time until enough of them vote again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The [label](crate::Builder::label) of the client that held the lock, if a majority of the
    /// nodes reported the same holder and it has a label.
    #[must_use]
    pub fn holder_label(&self) -> Option<&str> {
        self.0.held_by.as_ref().map(Label::as_str)
    }

    /// The key that the error is about, as the request named it: without the [namespace](crate::Builder::namespace), which
    /// comes first in the key of the nodes.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// What happened and what to do, without the key and the nodes: for events that must not
    /// contain keys.
    pub(crate) fn reason(&self) -> &str {
        &self.0.text
    }

    /// Each node that had no vote, with its cause.
    #[must_use]
    pub fn node_errors(&self) -> &[NodeError] {
        &self.0.nodes
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            kind,
            key,
            text,
            retry_after,
            held_by,
            nodes,
        } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("key", key)
            .field("text", text)
            .field("retry_after", retry_after)
            .field("held_by", held_by)
            .field("nodes", nodes)
            .finish()
    }
}

impl std::error::Error for Error {}

/// The beginning of a text of the user, for an error.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 40;
    let mut short: String = text.chars().take(MOST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
