//! Acquiring a lock: the local queue first, then attempts until one wins or the wait is over.
//!
//! Of the waiters of one process for one key, only the first sends requests to the nodes ([`local_queue`]). Its [`acquire_loop`]
//! makes attempts ([`attempt`]) as the state machine in [`retry`] decides, and waits among other processes in the nodes'
//! [`waitlist`]. For a semaphore, [`permits`] chooses which permit to ask for; where the newest
//! request wins, [`newest`] supersedes the others. [`admission`] limits the attempts of a client that are in flight.

mod acquire_hold;
mod acquire_loop;
mod acquire_shared;
mod admission;
mod adopt;
mod attempt;
pub(crate) mod engine;
mod local_queue;
mod newest;
mod permits;
mod request;
mod retry;
mod shared_holds;
pub(crate) mod waiter_limit;
mod waitlist;

pub(crate) use self::{
    acquire_hold::{Begun, acquire_at_once, acquire_hold},
    acquire_shared::acquire_shared,
    adopt::adopt,
    newest::acquire_newest,
    permits::available_permits,
    request::{AcquireOptions, AcquireRequest},
    shared_holds::SharedHold,
};
