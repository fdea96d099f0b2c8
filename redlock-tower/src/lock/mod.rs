//! The part that knows nothing of HTTP: acquire, run under the lock, end it.

mod acquire;
mod close;
mod holds;
mod layer;
mod lease;
mod options;
mod run;
mod service;
mod when_ready;

pub(crate) use self::{
    acquire::is_outage,
    close::{Close, Ending},
    holds::Holds,
    lease::{Lease, Slot},
    options::LockOptions,
    run::{Panic, Ran, Run},
    when_ready::{Begin, WhenReady, not_ready},
};
pub use self::{
    layer::LockLayer,
    options::OnLost,
    service::{LockError, LockFuture, LockService},
};
