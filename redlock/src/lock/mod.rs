//! Locks as users see them: requests and their options, guards, semaphores, read/write locks, several locks at once, tickets,
//! and re-entrancy.

pub(crate) mod current;
pub(crate) mod guard;
pub(crate) mod held;
pub(crate) mod options;
pub(crate) mod reentrancy;
pub(crate) mod request;
pub(crate) mod rwlock;
pub(crate) mod semaphore;
pub(crate) mod several;
pub(crate) mod ticket;
