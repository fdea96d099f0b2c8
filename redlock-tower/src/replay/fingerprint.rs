//! What tells a repeated request from another one under the same key.

use bytes::Bytes;
use http::{HeaderMap, Uri, header::CONTENT_TYPE, request::Parts};
use sha2::{Digest as _, Sha256};

/// The hash of what two requests have in common when one is the repetition of the other.
pub(super) type Fingerprint = [u8; 32];

/// As RFC 2046 has it. The search for a longer one could take a client's own time of the server.
const LONGEST_BOUNDARY: usize = 70;

/// What a program takes for it instead.
pub(super) type Chosen = dyn Fn(&Parts, &[u8]) -> Vec<u8> + Send + Sync;

/// Of method, path, query and body. The boundaries of a multipart body are left out, as a client draws them anew for
/// each try.
pub(super) fn fingerprint(head: &Parts, body: &Bytes) -> Fingerprint {
    let mut hash = Sha256::new();
    add(&mut hash, head.method.as_str().as_bytes());
    let path = as_sent(head).path_and_query();
    add(&mut hash, path.map_or("", |path| path.as_str()).as_bytes());
    match boundary(&head.headers) {
        Some(boundary) => {
            let delimiter = [b"--", boundary.as_slice()].concat();
            let mut rest = &body[..];
            while let Some(at) = find(rest, &delimiter) {
                add(&mut hash, &rest[..at]);
                rest = &rest[at + delimiter.len()..];
            }
            add(&mut hash, rest);
        }
        None => add(&mut hash, body),
    }
    hash.finalize().into()
}

/// The URI before a router took off the prefix of a nested one: there `/` is the path of many resources.
fn as_sent(head: &Parts) -> &Uri {
    #[cfg(feature = "axum")]
    if let Some(original) = head.extensions.get::<axum::extract::OriginalUri>() {
        return &original.0;
    }
    &head.uri
}

/// Of what the program says.
pub(super) fn chosen(of: &Chosen, head: &Parts, body: &Bytes) -> Fingerprint {
    Sha256::digest(of(head, body)).into()
}

fn add(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_be_bytes());
    hash.update(part);
}

fn find(body: &[u8], delimiter: &[u8]) -> Option<usize> {
    body.windows(delimiter.len())
        .position(|window| window == delimiter)
}

/// The boundary of a multipart body, as its content type names it.
fn boundary(headers: &HeaderMap) -> Option<Vec<u8>> {
    let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let mut parts = kind.split(';').map(str::trim);
    let multipart = parts.next()?.get(..10)?;
    if !multipart.eq_ignore_ascii_case("multipart/") {
        return None;
    }
    let (_, value) = parts
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("boundary"))?;
    let value = value.trim_matches('"');
    (1..=LONGEST_BOUNDARY)
        .contains(&value.len())
        .then(|| value.as_bytes().to_vec())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use http::Request;

    fn of(method: &str, path: &str, kind: &str, body: &str) -> Fingerprint {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(CONTENT_TYPE, kind).body(()).unwrap();
        fingerprint(&request.into_parts().0, &Bytes::from(body.to_owned()))
    }

    #[test]
    fn a_request_is_told_by_method_path_query_and_body() {
        let first = of("POST", "/a?b=1", "text/plain", "x");
        assert_eq!(first, of("POST", "/a?b=1", "text/plain", "x"));
        for other in [
            of("PUT", "/a?b=1", "text/plain", "x"),
            of("POST", "/a?b=2", "text/plain", "x"),
            of("POST", "/a?b=1", "text/plain", "y"),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn a_boundary_makes_no_difference_and_what_it_separates_does() {
        let form = |boundary: &str, parts: &[&str]| {
            let mut body = String::new();
            for part in parts {
                body += &format!("--{boundary}\r\n\r\n{part}\r\n");
            }
            body += &format!("--{boundary}--\r\n");
            let kind = format!("Multipart/form-data; charset=utf-8; boundary=\"{boundary}\"");
            of("POST", "/", &kind, &body)
        };
        let first = form("one", &["a", "b"]);
        assert_eq!(first, form("another", &["a", "b"]));
        assert_ne!(first, form("one", &["a", "c"]));
        assert_ne!(first, form("one", &["a"]));
        assert_ne!(first, form("one", &["a\r\n\r\n\r\nb"]));
    }
}
