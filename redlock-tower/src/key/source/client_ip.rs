//! The key from the client's address behind proxies.

use super::peer;
use crate::key::{HeadOnly, Key, KeyError, KeyExtractor, Unstated};
use http::{HeaderMap, HeaderName, request::Parts};
use std::{
    future::{Ready, ready},
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The key from the client's address behind proxies: see [`client_ip`].
#[derive(Clone, Debug)]
pub struct ClientIp {
    /// `None` if one of them is malformed.
    trusted: Option<Arc<[Network]>>,
}

/// The addresses that share a prefix.
#[derive(Clone, Copy, Debug)]
struct Network {
    address: IpAddr,
    prefix: u8,
}

/// The IP address of the client as the trusted proxies report it in `X-Forwarded-For`.
///
/// `trusted` are addresses or networks in CIDR notation, such as `10.0.0.0/8` and `::1`. Each proxy appends the address that
/// it was connected from, so the header is read from its end: the client is the last address that is not a trusted proxy.
/// Addresses that the client itself wrote into the header come before that one and are ignored. If the connection is not from
/// a trusted proxy, the whole header is ignored, and the key is the address of the connection as with
/// [`peer_ip`](super::peer_ip).
///
/// A malformed address written by a trusted proxy is rejected with 400. A malformed network in `trusted` is logged as an
/// error, and every request is rejected with 500. Many users may share an address, so it is rarely an identity.
///
/// ```
/// use redlock_tower::key;
///
/// let by_client = key::client_ip(["10.0.0.0/8", "fd00::/8"]);
/// # fn check(_: impl key::KeyExtractor) {}
/// # check(by_client);
/// ```
#[must_use]
pub fn client_ip(trusted: impl IntoIterator<Item = impl AsRef<str>>) -> ClientIp {
    let networks = trusted.into_iter().map(|network| {
        let network = network.as_ref();
        let parsed = Network::parse(network);
        if parsed.is_none() {
            crate::events::invalid_network(network);
        }
        parsed
    });
    ClientIp {
        trusted: networks.collect(),
    }
}

impl KeyExtractor for ClientIp {
    type Future = Ready<Result<Option<Key>, KeyError>>;
    type Scope = Unstated;
    type Reads = HeadOnly;

    fn extract(&self, parts: &Parts) -> Self::Future {
        let Some(trusted) = &self.trusted else {
            return ready(Err(KeyError::misconfigured(
                "a trusted proxy of this route is not an address or a network",
            )));
        };
        let peer = peer::address(parts);
        let client =
            peer.and_then(|peer| client(peer.ip().to_canonical(), &parts.headers, trusted));
        ready(client.map(|ip| Some(Key::named("client", ip.to_string()))))
    }
}

fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> Result<IpAddr, KeyError> {
    let is_trusted = |ip: IpAddr| trusted.iter().any(|network| network.contains(ip));
    let mut client = peer;
    let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for entry in entries {
        if !is_trusted(client) {
            break;
        }
        let entry = std::str::from_utf8(entry).ok().map(str::trim);
        client = entry.and_then(parse).ok_or_else(|| {
            KeyError::invalid("the header `x-forwarded-for` contains a malformed address")
        })?;
    }
    Ok(client)
}

/// Parses an address, which some proxies write with its port.
fn parse(entry: &str) -> Option<IpAddr> {
    let bare = entry
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let ip = bare.unwrap_or(entry).parse().ok();
    let ip = ip.or_else(|| entry.parse::<SocketAddr>().ok().map(|address| address.ip()));
    ip.map(|ip: IpAddr| ip.to_canonical())
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let longest: u8 = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Some(longest), |prefix| prefix.parse().ok())?;
        let (address, prefix) = match address.to_canonical() {
            // IPv4 written as IPv6. A shorter prefix covers more than IPv4, which cannot be meant.
            IpAddr::V4(address) if longest == 128 => (IpAddr::V4(address), prefix.checked_sub(96)?),
            _ => (address, prefix),
        };
        let longest = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= longest).then_some(Self { address, prefix })
    }

    fn contains(self, ip: IpAddr) -> bool {
        match (self.address, ip) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => same_prefix(
                network.to_bits().into(),
                ip.to_bits().into(),
                32 - self.prefix,
            ),
            (IpAddr::V6(network), IpAddr::V6(ip)) => {
                same_prefix(network.to_bits(), ip.to_bits(), 128 - self.prefix)
            }
            _ => false,
        }
    }
}

/// Whether the addresses are equal without their last `rest` bits.
fn same_prefix(a: u128, b: u128, rest: u8) -> bool {
    (a ^ b).checked_shr(rest.into()).unwrap_or(0) == 0
}
