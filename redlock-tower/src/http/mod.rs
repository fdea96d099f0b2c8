//! The layer for HTTP.

mod body;
mod detached;
mod future;
mod held_body;
mod inside;
mod layer;
mod locked;
mod options;
mod policy;
mod service;

#[cfg(feature = "replay")]
pub(crate) use self::inside::sealed;
pub(crate) use self::policy::Policy;
pub use self::{
    body::{LockLost, ResponseBody},
    future::ResponseFuture,
    inside::{Inside, Nothing},
    layer::RedlockLayer,
    policy::{HoldUntil, OnDisconnect},
    service::RedlockService,
};

/// What the bodies of this layer fail with.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
