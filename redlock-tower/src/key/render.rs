//! From a key's parts to the key in Redis: namespace, encoding, hashing.

use super::value::{Form, Key};
use http::Request;
use sha2::{Digest, Sha256};
use std::{fmt::Write as _, sync::Arc};

/// Longer keys are hashed: a client cannot fill the nodes with keys of its own length.
const LONGEST: usize = 200;

/// What keeps the keys of one route apart from those of another.
#[derive(Clone, Debug, Default)]
pub(crate) enum Namespace {
    /// The method and the matched path.
    #[default]
    Route,
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
    fn prefix<B>(&self, request: &Request<B>) -> String {
        match &self.namespace {
            Namespace::Named(name) => redlock::key::part(name),
            Namespace::Route => {
                let mut prefix = redlock::key::part(request.method());
                prefix.push(':');
                prefix.push_str(&redlock::key::part(route(request)));
                prefix
            }
        }
    }

    /// The key in Redis. Injective: each part is `name=value`, with `:` and `=` of a name, and `:` of a value, encoded.
    /// It never ends in a suffix of the lock's own keys, since a part always has a `=` and a hash has only digits.
    pub(crate) fn key<B>(&self, request: &Request<B>, key: Key) -> String {
        let parts = match key.0 {
            Form::Exact(key) => return key,
            Form::Parts(parts) => parts,
        };
        let mut out = self.prefix(request);
        let prefix = out.len();
        for part in &parts {
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

/// The route as the router knows it; without one the path. A gRPC path names a method, a router's pattern all of them.
fn route<B>(request: &Request<B>) -> &str {
    #[cfg(feature = "axum")]
    if !crate::reject::is_grpc(request.headers()) {
        if let Some(matched) = request.extensions().get::<axum::extract::MatchedPath>() {
            return matched.as_str();
        }
        // inside of a nested service the path has lost its first half
        if let Some(original) = request.extensions().get::<axum::extract::OriginalUri>() {
            return original.0.path();
        }
    }
    request.uri().path()
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
