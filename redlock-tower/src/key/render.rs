//! From a key's parts to the key in Redis: namespace, encoding, hashing.

use super::value::{Form, Key, Part};
use http::{Extensions, Uri};
use sha2::{Digest, Sha256};
use std::{fmt::Write as _, sync::Arc};

/// Longer keys are hashed: a client cannot fill the nodes with keys of its own length.
const LONGEST: usize = 200;

/// What keeps the keys of one route apart from those of another. Nothing in it is for the client to choose.
#[derive(Clone, Debug, Default)]
pub(crate) enum Namespace {
    /// The route as the router matched it.
    #[default]
    Route,
    /// The path, which names the method of a gRPC service and is compared byte for byte there.
    GrpcMethod,
    /// A name that several routes may share.
    Named(Arc<str>),
}

/// How the keys of one layer are written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Render {
    pub(crate) namespace: Namespace,
    pub(crate) always_hash: bool,
}

impl Render {
    /// The key in Redis. Injective: each part is `name=value`, with `:` and `=` of a name, and `:` of a value, encoded.
    pub(crate) fn key(&self, extensions: &Extensions, uri: &Uri, key: Key) -> String {
        let parts = match key.0 {
            Form::Exact(key) => return key,
            Form::Parts(parts) => parts,
        };
        let namespace = match &self.namespace {
            Namespace::Named(name) => name,
            Namespace::Route => route(extensions),
            Namespace::GrpcMethod => uri.path(),
        };
        self.write(redlock::key::part(namespace), &parts)
    }

    /// Whether requests with these extensions are in the namespace of all that no router has matched.
    pub(crate) fn is_common(&self, extensions: &Extensions) -> bool {
        matches!(self.namespace, Namespace::Route) && route(extensions).is_empty()
    }

    /// Whose records these are: the key without its route, since an `Idempotency-Key` is unique for its client and not
    /// for each route.
    #[cfg(feature = "replay")]
    pub(crate) fn record_scope(&self, key: &Key) -> String {
        let name = match &self.namespace {
            Namespace::Named(name) => redlock::key::part(name),
            Namespace::Route | Namespace::GrpcMethod => String::new(),
        };
        self.write(name, &key.clone().into_parts())
    }

    fn write(&self, namespace: String, parts: &[Part]) -> String {
        let mut out = namespace;
        let prefix = out.len();
        for part in parts {
            // without a `=`, which is in all that has a name
            if !part.alternative.is_empty() {
                out.push_str(":or");
                out.push_str(&part.alternative);
            }
            out.push(':');
            let name = redlock::key::part(&part.name);
            if name.contains('=') {
                out.push_str(&name.replace('=', "%3D"));
            } else {
                out.push_str(&name);
            }
            out.push('=');
            push_bytes(&mut out, &part.value);
        }
        if !self.always_hash && out.len() <= LONGEST {
            return out;
        }
        let digest = Sha256::digest(out.as_bytes());
        // behind its prefix, unless that is long itself
        let (kept, name) = if prefix <= LONGEST / 2 {
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

/// The route as the router matched it, without the slash at its end: a route with and one without it are often one
/// handler. Empty where no router has matched yet, since a path is spelled by the client.
fn route(extensions: &Extensions) -> &str {
    #[cfg(feature = "axum")]
    if let Some(matched) = extensions.get::<axum::extract::MatchedPath>() {
        return unslashed(matched.as_str());
    }
    #[cfg(not(feature = "axum"))]
    let _ = extensions;
    ""
}

/// A route without the slash at its end.
#[cfg(feature = "axum")]
pub(super) fn unslashed(route: &str) -> &str {
    match route.trim_end_matches('/') {
        "" => route,
        trimmed => trimmed,
    }
}

/// Percent-encodes what is not text, so that any two byte strings stay different.
fn push_bytes(out: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        out.push_str(&redlock::key::part(chunk.valid()));
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
