//! From the parts of a key to the key in Redis: namespace, encoding, hashing.

use super::value::{Form, Key, Part};
use http::{Extensions, Uri};
use redlock::__private::push_part;
use sha2::{Digest, Sha256};
use std::{fmt::Write as _, sync::Arc};

/// Longer keys are hashed, so that a client cannot fill the memory of the nodes.
const MAX_LEN: usize = 200;

/// What separates the keys of one route from those of another. A client can choose no part of it.
#[derive(Clone, Debug, Default)]
pub(crate) enum Namespace {
    /// The route that the router matched.
    #[default]
    Route,
    /// The path of the request. A gRPC server compares it byte for byte, and it names the method.
    GrpcMethod,
    /// A name that several routes may share.
    Named(Arc<str>),
}

/// How the keys of a layer are written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Render {
    pub(crate) namespace: Namespace,
    pub(crate) always_hash: bool,
}

impl Render {
    /// The key in Redis. Injective: each part is `name=value`, with `:` and `=` encoded in a name, and `:` in a value.
    pub(crate) fn key(&self, extensions: &Extensions, uri: &Uri, key: Key) -> String {
        let parts = match key.0 {
            Form::Exact(key) => return key,
            Form::Parts(parts) => parts,
        };
        self.write(self.namespace(extensions, uri), &parts)
    }

    pub(crate) fn namespace<'a>(&'a self, extensions: &'a Extensions, uri: &'a Uri) -> &'a str {
        match &self.namespace {
            Namespace::Named(name) => name,
            Namespace::Route => route(extensions),
            Namespace::GrpcMethod => uri.path(),
        }
    }

    /// Whether the request shares its namespace with every request that no router has matched.
    pub(crate) fn is_common(&self, extensions: &Extensions) -> bool {
        matches!(self.namespace, Namespace::Route) && route(extensions).is_empty()
    }

    /// The key without the route, for records: an `Idempotency-Key` is unique for its client, not for a route.
    #[cfg(feature = "replay")]
    pub(crate) fn record_key(&self, key: &Key) -> String {
        let name = match &self.namespace {
            Namespace::Named(name) => name,
            Namespace::Route | Namespace::GrpcMethod => "",
        };
        self.write(name, &key.clone().into_parts())
    }

    fn write(&self, namespace: &str, parts: &[Part]) -> String {
        let len = |part: &Part| part.name.len() + part.value.len() + ":or22:=".len();
        let mut out = String::with_capacity(namespace.len() + parts.iter().map(len).sum::<usize>());
        push_part(&mut out, namespace);
        let prefix = out.len();
        for part in parts {
            // Contains no `=`, so it differs from every `name=value`.
            if !part.alternative.is_empty() {
                out.push_str(":or");
                out.push_str(&part.alternative);
            }
            out.push(':');
            for (number, piece) in part.name.split('=').enumerate() {
                if number > 0 {
                    out.push_str("%3D");
                }
                push_part(&mut out, piece);
            }
            out.push('=');
            push_bytes(&mut out, &part.value);
        }
        if !self.always_hash && out.len() <= MAX_LEN {
            return out;
        }
        let digest = Sha256::digest(out.as_bytes());
        // Keep the namespace readable, unless it is long itself.
        let (kept, name) = if prefix <= MAX_LEN / 2 {
            (prefix, ":sha256:")
        } else {
            (0, "sha256:")
        };
        out.truncate(kept);
        out.push_str(name);
        push_hex(&mut out, &digest);
        out
    }
}

/// The route that the router matched, without a trailing slash: routes with and without it often share a handler. Empty
/// if no router has matched, because a client can spell a path in many ways.
fn route(extensions: &Extensions) -> &str {
    #[cfg(feature = "axum")]
    if let Some(matched) = extensions.get::<axum::extract::MatchedPath>() {
        return unslashed(matched.as_str());
    }
    #[cfg(not(feature = "axum"))]
    let _ = extensions;
    ""
}

/// The route without a trailing slash.
#[cfg(feature = "axum")]
pub(in crate::key) fn unslashed(route: &str) -> &str {
    match route.trim_end_matches('/') {
        "" => route,
        trimmed => trimmed,
    }
}

/// Percent-encodes bytes that are not UTF-8, so that different values stay different.
fn push_bytes(out: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        push_part(out, chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

pub(crate) fn push_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
}
