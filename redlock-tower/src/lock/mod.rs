//! The part that knows nothing of HTTP: acquire, run under the lock, end it.

mod acquire;
mod close;
mod layer;
mod lease;
mod options;
mod run;
mod service;
mod waiters;
mod when_ready;

pub(crate) use self::{
    acquire::{Acquiring, Keyless, Refused, is_outage},
    close::{Close, Ending},
    lease::{Lease, Slot},
    options::LockOptions,
    run::{Ran, Run},
    waiters::Waiters,
    when_ready::{WhenReady, not_ready},
};
pub use self::{
    layer::LockLayer,
    options::OnLost,
    service::{LockError, LockFuture, LockService},
};
