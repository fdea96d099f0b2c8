//! The classes of errors.

/// The class of an [`Error`](super::Error).
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
    /// A newer request for the same lock was made, and the newest wins.
    Superseded,
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
