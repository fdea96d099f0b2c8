//! What can go wrong, and what to do about it.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

pub use crate::fault::FaultKind;
use crate::{fault::Fault, label::Label};

/// The result of the operations of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a lock was not acquired, extended or released. Cheap to clone.
///
/// Ask it with the `is_*` methods, or by [`kind`](Self::kind).
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

/// The class of an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Another client holds the lock, and the request did not wait.
    Busy,
    /// The key is in its cool-down: the work under it was done a moment ago, and the key stays busy
    /// for the rest of a window. Returned at once, also to requests that would wait.
    CoolingDown,
    /// Another held the lock until the wait was over.
    TimedOut,
    /// The request would have to wait, and its limit of waiters is reached.
    TooManyWaiters,
    /// Fewer nodes than a majority could vote.
    NoQuorum,
    /// The lock was lost: its validity ran out, or a majority of the nodes no longer knows it.
    Lost,
    /// A majority granted the lock, but too late for its ttl to be of use.
    Expired,
    /// This task already holds the lock and did not ask for re-entrancy.
    AlreadyHeld,
    /// No process default was set.
    NotConfigured,
    /// The client was closed.
    Closed,
    /// The key is not valid.
    InvalidKey,
    /// The ttl, or another duration, is out of its bounds.
    InvalidTtl,
    /// The list of nodes is empty, or names a node that cannot be used.
    InvalidNodes,
    /// Another setting cannot be used.
    InvalidConfig,
    /// Other clients name another number of permits for the same semaphore.
    OtherPermits,
    /// A ticket cannot be read, is of another namespace, or the lock cannot have one.
    InvalidTicket,
    /// The ticket was adopted before, or its time is over.
    TicketOver,
    /// A value is larger than a register holds.
    ValueTooLarge,
    /// Too few nodes have been up for as long as a register is remembered: what it held may be forgotten.
    Forgotten,
}

/// The fault of one node.
#[derive(Clone, Debug)]
pub struct NodeError {
    node: String,
    kind: FaultKind,
    cause: String,
    /// The length of the part of the cause that does not name the key.
    keyless: usize,
}

impl NodeError {
    pub(crate) fn of(node: &str, fault: &Fault) -> Self {
        let mut error = Self::new(node, fault.kind, fault.text.as_ref());
        if let Some(names) = &fault.names {
            error.cause.push_str(names);
        }
        error
    }

    pub(crate) fn new(node: &str, kind: FaultKind, cause: impl Into<String>) -> Self {
        let cause = cause.into();
        Self {
            node: node.to_owned(),
            kind,
            keyless: cause.len(),
            cause,
        }
    }

    pub(crate) fn without_key(&self) -> &str {
        &self.cause[..self.keyless]
    }

    /// The node's address, without a password.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The class of the fault.
    #[must_use]
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// Why the node had no vote, in words.
    #[must_use]
    pub fn cause(&self) -> &str {
        &self.cause
    }
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.node, self.cause)
    }
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
        self.map(|inner| inner.key = Some(key.to_owned()))
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

    pub(crate) fn busy(key: &str, left: Option<Duration>, by: Option<Label>) -> Self {
        let text = match by {
            Some(label) => format!("is held by {label}").into(),
            None => Cow::Borrowed("is held by another"),
        };
        Self::new(ErrorKind::Busy, text)
            .about(key)
            .retry(left)
            .held_by(by)
    }

    pub(crate) fn cooling_down(key: &str, left: Duration) -> Self {
        Self::new(
            ErrorKind::CoolingDown,
            "is in its cool-down after a turn that ended",
        )
        .about(key)
        .retry(Some(left))
    }

    pub(crate) fn timed_out(
        key: &str,
        waited: Duration,
        left: Option<Duration>,
        by: Option<Label>,
    ) -> Self {
        let mut text = format!(
            "was held by others for the {} ms of the wait",
            waited.as_millis()
        );
        if let Some(label) = by {
            text = format!("{text}, at its end by {label}");
        }
        Self::new(ErrorKind::TimedOut, text)
            .about(key)
            .retry(left)
            .held_by(by)
    }

    pub(crate) fn too_many_waiters(key: &str) -> Self {
        Self::new(
            ErrorKind::TooManyWaiters,
            "is held by another, and as many requests wait already as its max_waiters allows",
        )
        .about(key)
    }

    /// `able` of the nodes could vote. `errors` contains the causes of the others.
    pub(crate) fn no_quorum(
        key: Option<&str>,
        able: usize,
        quorum: usize,
        errors: Vec<NodeError>,
    ) -> Self {
        let nodes = able + errors.len();
        let text = format!("no quorum: {able} of {nodes} nodes could vote, {quorum} are needed");
        let error = Self::new(ErrorKind::NoQuorum, text).map(|inner| inner.nodes = errors);
        match key {
            Some(key) => error.about(key),
            None => error,
        }
    }

    pub(crate) fn lost(key: &str, why: &'static str) -> Self {
        Self::new(ErrorKind::Lost, why).about(key)
    }

    pub(crate) fn expired(key: &str, ttl: Duration, took: Duration) -> Self {
        Self::new(
            ErrorKind::Expired,
            format!(
                "was granted after {} ms, too late for its ttl of {} ms: ask for a longer ttl",
                took.as_millis(),
                ttl.as_millis()
            ),
        )
        .about(key)
    }

    pub(crate) fn no_token(key: &str) -> Self {
        Self::new(
            ErrorKind::NoQuorum,
            "no fencing token is left above the fence that the nodes reported: a clock was centuries ahead when it was \
             written, delete the fence while nobody holds the lock",
        )
        .about(key)
    }

    pub(crate) fn no_randomness(key: &str) -> Self {
        Self::new(
            ErrorKind::InvalidConfig,
            "the operating system gave no random numbers, which the lock's owner is made of: a sandbox may forbid \
             `getrandom`",
        )
        .about(key)
    }

    pub(crate) fn already_held(key: &str) -> Self {
        Self::new(
            ErrorKind::AlreadyHeld,
            "is held by this very task, which would wait for itself: ask for `reentrant`, or use another key",
        )
        .about(key)
    }

    /// All permits that a task waits for may be held by itself.
    pub(crate) fn permits_already_held(key: &str, held: usize, permits: u16) -> Self {
        let text = format!(
            "{held} of its {permits} permits are held by this very task, which would wait for itself: release one first, or \
             request fewer"
        );
        Self::new(ErrorKind::AlreadyHeld, text).about(key)
    }

    pub(crate) fn not_configured() -> Self {
        Self::new(
            ErrorKind::NotConfigured,
            "no default lock service is set: call `redlock::set_default` at start, or name one with `lock = ...`",
        )
    }

    pub(crate) fn closed(key: Option<&str>) -> Self {
        let error = Self::new(ErrorKind::Closed, "the lock service was closed");
        match key {
            Some(key) => error.about(key),
            None => error,
        }
    }

    pub(crate) fn invalid_key(key: &str, why: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidKey, why).about(key)
    }

    pub(crate) fn invalid_ticket(key: Option<&str>, why: impl Into<Cow<'static, str>>) -> Self {
        let error = Self::new(ErrorKind::InvalidTicket, why);
        match key {
            Some(key) => error.about(key),
            None => error,
        }
    }

    pub(crate) fn ticket_over(key: &str, why: &'static str) -> Self {
        Self::new(ErrorKind::TicketOver, why).about(key)
    }

    /// A semaphore cannot have so many permits, or a request ask for so many.
    pub(crate) fn invalid_permits(key: &str, why: String) -> Self {
        Self::new(ErrorKind::InvalidConfig, why).about(key)
    }

    pub(crate) fn other_permits(key: &str, permits: u16, theirs: &str, kept: Duration) -> Self {
        let text = format!(
            "has {permits} permits here and {theirs} in other clients: name the same number everywhere. The nodes forget \
             theirs {} ms after the last request of those clients",
            kept.as_millis()
        );
        Self::new(ErrorKind::OtherPermits, text).about(key)
    }

    pub(crate) fn value_too_large(key: &str, bytes: usize, most: usize) -> Self {
        let text = format!(
            "a register holds values of at most {most} bytes, this one has {bytes}: keep it in a store, and its name here"
        );
        Self::new(ErrorKind::ValueTooLarge, text).about(key)
    }

    /// `errors` contains the nodes that answered and may have forgotten, and those that did not answer.
    pub(crate) fn forgotten(
        key: &str,
        quorum: usize,
        left: Option<Duration>,
        errors: Vec<NodeError>,
    ) -> Self {
        let text = format!(
            "fewer than {quorum} nodes have been up for the retention of its register, so what it held may be forgotten: \
             wait, write a new value, or vouch for the nodes of a first deployment by Redlock::trust_nodes"
        );
        Self::new(ErrorKind::Forgotten, text)
            .about(key)
            .retry(left)
            .map(|inner| inner.nodes = errors)
    }

    pub(crate) fn register_changing(key: &str, looks: u32) -> Self {
        let text = format!(
            "holders wrote its register during each of {looks} looks, so that no majority had one value: ask again"
        );
        Self::new(ErrorKind::NoQuorum, text).about(key)
    }

    pub(crate) fn other_record(job: &str) -> Self {
        let text = format!(
            "the record of the job `{}` is none that this version of the crate can read: a later version wrote it, or somebody \
             else uses the register of its lock",
            job.escape_debug()
        );
        Self::new(ErrorKind::InvalidConfig, text)
    }

    pub(crate) fn invalid_ttl(why: String) -> Self {
        Self::new(ErrorKind::InvalidTtl, why)
    }

    pub(crate) fn invalid_nodes(why: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidNodes, why)
    }

    pub(crate) fn invalid_config(why: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidConfig, why)
    }

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

    /// This task already holds the lock.
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
    /// [may be forgotten](Self::is_forgotten), the time until enough nodes are as old as its retention.
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

    /// The key that the error is about.
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

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = &self.0.key {
            write!(f, "lock `{}`: ", key.escape_debug())?;
        }
        self.fmt_with_causes(f, NodeError::cause)
    }
}

impl Error {
    /// The error without its key: for logs, where keys may be secrets. It says what happened, what to do, and why each node
    /// had no vote.
    ///
    /// ```
    /// # use redlock::{Redlock, memory::Nodes};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
    /// # let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
    /// let _guard = redlock.lock("session:secret").await?;
    /// let error = redlock.lock("session:secret").no_wait().await.unwrap_err();
    /// assert!(error.to_string().contains("secret"));
    /// assert!(error.without_key().to_string().starts_with("is held by another"));
    /// # Ok(()) }
    /// ```
    pub fn without_key(&self) -> impl fmt::Display {
        struct WithoutKey<'a>(&'a Error);
        impl fmt::Display for WithoutKey<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt_with_causes(f, NodeError::without_key)
            }
        }
        WithoutKey(self)
    }

    fn fmt_with_causes(
        &self,
        f: &mut fmt::Formatter<'_>,
        cause: impl Fn(&NodeError) -> &str,
    ) -> fmt::Result {
        let Inner {
            kind,
            text,
            nodes,
            retry_after,
            ..
        } = &*self.0;
        f.write_str(text)?;
        if let Some(left) = retry_after {
            // "held by api-7 for another 3.2 s at most"
            let comma = if *kind == ErrorKind::Busy { "" } else { "," };
            write!(f, "{comma} for another {} at most", Readable(*left))?;
        }
        for (index, node) in nodes.iter().enumerate() {
            let before = if index == 0 { " (" } else { "; " };
            write!(f, "{before}{}: {}", node.node, cause(node))?;
        }
        if nodes.is_empty() {
            Ok(())
        } else {
            f.write_str(")")
        }
    }
}

impl std::error::Error for Error {}

/// A duration for people: whole milliseconds below a second, tenths of a second above.
struct Readable(Duration);

impl fmt::Display for Readable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            ms @ ..1_000 => write!(f, "{ms} ms"),
            _ => write!(f, "{:.1} s", self.0.as_secs_f64()),
        }
    }
}
