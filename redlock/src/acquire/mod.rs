//! Acquiring a lock: the local queue, then attempts until one wins or the wait is over.

pub(crate) mod acquire_loop;
pub(crate) mod admission;
pub(crate) mod local_queue;
pub(crate) mod service;
pub(crate) mod waiter_limit;
