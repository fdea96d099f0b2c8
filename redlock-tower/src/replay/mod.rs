//! The first answer again for a repeated `Idempotency-Key` (feature `replay`).
//!
//! [`RedlockLayer::replay`] adds it to the lock. Per [draft-ietf-httpapi-idempotency-key-header] a request with an
//! `Idempotency-Key` is answered
//!
//! | the key was | with |
//! |---|---|
//! | not seen before | the handler's response, which is kept: status, headers, body, trailers |
//! | used by the same request, answered | that response, with `idempotency-replayed: true` |
//! | used by the same request, still running | 409 with `Retry-After`; or it waits, where the layer has a `wait` |
//! | used with another method, path, query or body | 422 |
//!
//! Only successes are kept: 2xx and 3xx by default (see [`RedlockLayer::failure_if`]), and what carries [`Keep`]. After
//! any other answer the next try runs, under the same key and with another body if it was the body that was wrong: an
//! extractor's 400 or 422 says that the handler never took the request. A 101 is never kept. What is kept stands
//! under the layer's key, without its route, *and* the `Idempotency-Key`. The layer's key has to say who asks
//! ([`key::identity`](crate::key::identity)), so that nobody gets another one's response.
//!
//! The handler runs to its end although its client is gone ([`OnDisconnect::Finish`](crate::OnDisconnect::Finish)), since
//! a client that gave up tries again.
//!
//! Writes to the store carry the lock's fencing token (this layer has one, whatever the client's setting), and a store refuses one older than it has seen: a handler that
//! was paused and lost its lock leaves nothing behind. The handler's own effects are its own: where the process dies
//! between them and the write, the next try runs again.
//!
//! ```
//! use axum::{Router, routing::post};
//! use redlock::{Redlock, memory::Cluster};
//! use redlock_tower::{RedlockLayer, key::{self, KeyExtractor}, replay::MemoryStore};
//! use std::time::Duration;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let redlock = Redlock::connect(Cluster::new(3).nodes()).await?;
//! let per_submit = key::identity(key::header("x-user-id")).and(key::idempotency_key());
//! let app: Router = Router::new().route("/payments", post(async || "paid")).layer(
//!     RedlockLayer::new(redlock, per_submit)
//!         .required()
//!         .replay(MemoryStore::new(), Duration::from_secs(24 * 60 * 60)),
//! );
//! # Ok(())
//! # }
//! ```
//!
//! [draft-ietf-httpapi-idempotency-key-header]: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/

mod body;
mod fingerprint;
mod keep;
mod layer;
mod memory;
mod record;
mod redis;
mod request;
mod run;
mod service;
mod store;

pub(crate) use self::service::{RecordScope, Recorded};
pub use self::{
    body::ReplayBody,
    layer::Replay,
    memory::MemoryStore,
    redis::RedisStore,
    request::RequestBody,
    service::{Keep, ReplayFuture, ReplayService},
    store::{Begun, ReplayStore, StoreError},
};

#[cfg(doc)]
use crate::RedlockLayer;
