//! Replays the first response to requests that repeat an `Idempotency-Key` (feature `replay`).
//!
//! [`RedlockLayer::replay`] puts a [`ReplayLayer`] inside of the lock. As in
//! [draft-ietf-httpapi-idempotency-key-header], a request with an `Idempotency-Key` gets
//!
//! | the key was | response |
//! |---|---|
//! | not used before | the handler's, which is recorded: status, headers, body, trailers |
//! | used by the same request, which has finished | the recorded one, with `idempotency-replayed: true` |
//! | used by the same request, which still runs | 409 with `Retry-After`; if the layer has a `wait`, the recorded one after it |
//! | used with another method, path, query, content type or body | 422 |
//!
//! A request without the header is only locked.
//!
//! **Only successes are recorded**: 2xx and 3xx by default (see [`RedlockLayer::failure_if`] and
//! [`ReplayOptions::record_if`]), and responses with the extension [`Keep`]. After any other response the client may try
//! again with the same key, also with another body: an extractor's 400 or 422 means that the handler never accepted the
//! request. A 101 is never recorded.
//!
//! **A record belongs to a caller.** Its name is made of the layer's key, without the route, and the `Idempotency-Key`.
//! The layer's key has to name the caller ([`key::identity`](crate::key::identity)), so that nobody gets the response of
//! another client.
//!
//! **The handler finishes although its client disconnects** ([`OnDisconnect::Finish`](crate::OnDisconnect::Finish)),
//! because a client that gave up tries again.
//!
//! **A stale handler records nothing.** Every write carries the lock's fencing token, and a store refuses a token below
//! the highest that it has seen. Side effects of the handler are its own responsibility: if the process crashes between
//! them and the record, the next try runs again.
//!
//! ```
//! use axum::{Router, routing::post};
//! use redlock::{Redlock, memory::Nodes};
//! use redlock_tower::{RedlockLayer, key::{self, KeyExtractor}, replay::Quorum};
//! use std::time::Duration;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
//! let per_submit = key::identity(key::header("x-user-id")).and(key::idempotency_key());
//! let app: Router = Router::new().route("/payments", post(async || "paid")).layer(
//!     RedlockLayer::new(redlock.clone(), per_submit)
//!         .required()
//!         .replay(Quorum::new(&redlock), Duration::from_secs(24 * 60 * 60)),
//! );
//! # Ok(())
//! # }
//! ```
//!
//! # Where records are
//!
//! | store | records are | a repetition runs again if |
//! |---|---|---|
//! | [`Quorum`] | on a majority of the lock's nodes, through their connections | never for that reason: while it cannot tell, it is rejected with 503 |
//! | [`RedisStore`] | in one server, through a connection of its own | the server lost its data |
//! | [`MemoryStore`] | in the memory of this instance | the instance restarted, or another one got the repetition |
//! | your own [`ReplayStore`] | in your database, even in the transaction of the handler | |
//!
//! On a first deployment, [`Quorum`] has to know that nothing was forgotten: see
//! [its page](Quorum#nodes-that-started-lately).
//!
//! # Without an `Idempotency-Key`
//!
//! [`RedlockLayer::share`] passes the response of a request on to its duplicates while it runs: requests of the same caller
//! with the same method, path, query, content type and body. A repetition after the end runs again.
//!
#![doc = include_str!("../../docs/idempotency.md")]
//!
//! [draft-ietf-httpapi-idempotency-key-header]: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/

mod body;
mod contradictions;
mod exchange;
mod layer;
mod options;
mod record;
mod recorder;
mod response;
mod service;
mod share;
mod store;

pub use self::{
    body::ReplayBody,
    layer::ReplayLayer,
    options::ReplayOptions,
    response::Keep,
    service::{ReplayFuture, ReplayService},
    share::ShareOptions,
    store::{Begun, MemoryStore, Quorum, RedisStore, ReplayStore, StoreError},
};

pub use crate::body::RequestBody;

#[cfg(doc)]
use crate::RedlockLayer;
