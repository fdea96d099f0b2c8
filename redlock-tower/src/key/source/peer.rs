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
/// extensions of each request. A request without it has no key; if the layer is [`required`](crate::RedlockLayer::required), it
/// is rejected with 500, and an event says so.
#[must_use]
pub fn peer_ip() -> PeerIp {
    PeerIp
}

impl KeyExtractor for PeerIp {
    type Future = Ready<Result<Option<Key>, KeyError>>;
    type Scope = Unstated;
    type Reads = HeadOnly;

    fn extract(&self, parts: &Parts) -> Self::Future {
        ready(
            address(parts)
                .map(|address| Some(Key::named("peer", address.ip().to_canonical().to_string()))),
        )
    }
}

pub(super) fn address(parts: &Parts) -> Result<SocketAddr, KeyError> {
    #[cfg(feature = "axum")]
    if let Some(info) = parts
        .extensions
        .get::<axum::extract::ConnectInfo<SocketAddr>>()
    {
        return Ok(info.0);
    }
    let address = parts.extensions.get().copied();
    address.ok_or_else(|| {
        KeyError::not_provided("the server does not say from which address a request comes")
    })
}
