//! The key from the address of the connection.

use crate::key::{HeadOnly, Key, KeyError, KeyExtractor, Unstated};
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
/// Rarely what you want: behind a proxy all clients have the address of the proxy, and behind a NAT many users share one.
/// In axum, serve with `into_make_service_with_connect_info::<SocketAddr>()`. With other servers, put a [`SocketAddr`] into the
/// extensions of each request.
#[must_use]
pub fn peer_ip() -> PeerIp {
    PeerIp
}

impl KeyExtractor for PeerIp {
    type Future = Ready<Result<Option<Key>, KeyError>>;
    type Scope = Unstated;
    type Reads = HeadOnly;

    fn extract(&self, parts: &Parts) -> Self::Future {
        ready(Ok(address(parts).map(|address| {
            Key::named("peer", address.ip().to_canonical().to_string())
        })))
    }
}

pub(super) fn address(parts: &Parts) -> Option<SocketAddr> {
    #[cfg(feature = "axum")]
    if let Some(info) = parts
        .extensions
        .get::<axum::extract::ConnectInfo<SocketAddr>>()
    {
        return Some(info.0);
    }
    parts.extensions.get().copied()
}
