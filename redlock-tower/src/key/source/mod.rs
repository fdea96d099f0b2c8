//! The parts of the head of a request that a key may come from.

mod client_ip;
mod cookie;
mod extension;
#[cfg(feature = "axum")]
mod from_extractor;
mod header;
mod idempotency;
#[cfg(feature = "axum")]
mod path;
mod peer;
mod query;
mod single;

#[cfg(feature = "replay")]
pub(crate) use self::idempotency::read as idempotency;
pub use self::{
    client_ip::{ClientIp, client_ip},
    cookie::{Cookie, cookie},
    extension::{FromExtension, extension},
    header::{Header, HeaderNamed, header},
    idempotency::{IdempotencyKey, idempotency_key},
    peer::{PeerIp, peer_ip},
    query::{Query, query},
};
#[cfg(feature = "axum")]
pub use self::{
    from_extractor::{FromExtractor, from_extractor, from_extractor_with_state},
    path::{MatchedPath, Path, matched_path, path},
};
pub(super) use self::{query::values, single::single};
