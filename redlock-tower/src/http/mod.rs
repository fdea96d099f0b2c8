//! A lock around HTTP services: see [`RedlockLayer`].

mod body;
mod detached;
mod future;
mod held_body;
mod layer;
mod options;
mod policy;
mod rejected;
#[cfg(feature = "replay")]
mod replay_context;
mod run_locked;
mod service;

pub use self::{
    body::ResponseBody,
    future::ResponseFuture,
    held_body::LockLost,
    layer::RedlockLayer,
    policy::{HoldUntil, OnDisconnect},
    service::RedlockService,
};
#[cfg(feature = "replay")]
pub(crate) use self::{
    policy::Policy,
    replay_context::{Recorded, ReplayContext},
};

pub(crate) use crate::body::BoxError;
