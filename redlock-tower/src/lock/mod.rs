//! The part that knows nothing of HTTP: acquire, run under the lock, end it.

mod acquire;
mod close;
mod layer;
mod lease;
mod options;
mod run;
mod service;
mod waiters;

pub(crate) use self::{
    acquire::{Acquiring, Keyless, Refused, is_outage},
    close::{Close, Ending},
    lease::{Lease, Slot},
    options::LockOptions,
    run::{Ran, Run},
    waiters::Waiters,
};
pub use self::{
    layer::LockLayer,
    options::OnLost,
    service::{LockError, LockFuture, LockService},
};
