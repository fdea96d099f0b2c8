//! The fingerprint of a request: distinguishes its repetition from another request.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Uri, header::CONTENT_TYPE, request::Parts};
use sha2::{Digest as _, Sha256};

/// A hash that a request and its repetition have in common.
pub(crate) type Fingerprint = [u8; 32];

/// Longest multipart boundary, as in RFC 2046. A longer one would make the search for it slow.
const MAX_BOUNDARY: usize = 70;

/// Hashes method, path, query, these headers, and the body. Multipart boundaries are left out, because a client draws new
/// ones for each try.
pub(crate) fn fingerprint(head: &Parts, headers: &[HeaderName], body: &Bytes) -> Fingerprint {
    let mut hash = Sha256::new();
    add(&mut hash, head.method.as_str().as_bytes());
    let path = original_uri(head).path_and_query();
    add(&mut hash, path.map_or("", |path| path.as_str()).as_bytes());
    for name in headers {
        let values = head.headers.get_all(name);
        add(&mut hash, &values.iter().count().to_be_bytes());
        for value in values {
            add(&mut hash, value.as_bytes());
        }
    }
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

/// The URI of the client. A nested router removes its prefix, and then `/` is the path of many resources.
fn original_uri(head: &Parts) -> &Uri {
    #[cfg(feature = "axum")]
    if let Some(original) = head.extensions.get::<axum::extract::OriginalUri>() {
        return &original.0;
    }
    &head.uri
}

fn add(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_be_bytes());
    hash.update(part);
}

fn find(body: &[u8], delimiter: &[u8]) -> Option<usize> {
    body.windows(delimiter.len())
        .position(|window| window == delimiter)
}

/// The boundary of a multipart body, from its content type.
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
    (1..=MAX_BOUNDARY)
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
        fingerprint(&request.into_parts().0, &[], &Bytes::from(body.to_owned()))
    }

    #[test]
    fn method_path_query_and_body_make_the_fingerprint() {
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
    fn the_parts_of_a_multipart_body_count_and_its_boundary_does_not() {
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
