//! The key from the address of the connection.

use super::{Key, KeyError, KeyExtractor, Unstated};
use http::request::Parts;
use std::{
    future::{Ready, ready},
    net::SocketAddr,
};

/// The key from the peer's address: see [`peer_ip`].
#[derive(Clone, Copy, Debug)]
pub struct PeerIp;

/// The IP address of the connection, without its port.
///
/// Behind a proxy all clients have the proxy's address, and behind a NAT many users have one: rarely what you want, and
/// so never taken on its own. Needs `into_make_service_with_connect_info::<SocketAddr>()` in axum; elsewhere a
/// [`SocketAddr`] in the request's extensions.
#[must_use]
pub fn peer_ip() -> PeerIp {
    PeerIp
}

impl KeyExtractor for PeerIp {
    type Future = Ready<Result<Option<Key>, KeyError>>;
    type Scope = Unstated;

    fn extract(&self, parts: &Parts) -> Self::Future {
        ready(Ok(address(parts).map(|address| {
            Key::named("peer", address.ip().to_canonical().to_string())
        })))
    }
}

fn address(parts: &Parts) -> Option<SocketAddr> {
    #[cfg(feature = "axum")]
    if let Some(info) = parts
        .extensions
        .get::<axum::extract::ConnectInfo<SocketAddr>>()
    {
        return Some(info.0);
    }
    parts.extensions.get().copied()
}
