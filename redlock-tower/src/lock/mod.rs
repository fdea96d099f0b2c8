//! A lock around any tower service: see [`LockLayer`].

mod error;
mod future;
mod layer;
mod service;

pub use self::{error::LockError, future::LockFuture, layer::LockLayer, service::LockService};
