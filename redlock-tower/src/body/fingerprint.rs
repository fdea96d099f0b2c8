//! The fingerprint of a request: distinguishes its repetition from another request.

use super::content_type::ContentType;
use bytes::Bytes;
use http::{HeaderName, Uri, header::CONTENT_TYPE, request::Parts};
use sha2::{Digest as _, Sha256};

/// A hash that a request and its repetition have in common.
pub(crate) type Fingerprint = [u8; 32];

/// Hashes method, path, query, these headers, the content type, and the body. The same bytes mean something else under
/// another content type (RFC 9110, section 8). Multipart boundaries are left out, because a client draws new ones for
/// each try.
pub(crate) fn fingerprint(head: &Parts, headers: &[HeaderName], body: &Bytes) -> Fingerprint {
    let mut hash = Sha256::new();
    add(&mut hash, head.method.as_str().as_bytes());
    let path = original_uri(head).path_and_query();
    add(&mut hash, path.map_or("", |path| path.as_str()).as_bytes());
    for name in headers {
        add_header(&mut hash, head, name);
    }
    let content_type = ContentType::of(&head.headers);
    match &content_type {
        Some(content_type) => {
            let parts = content_type.parts();
            add(&mut hash, b"content type");
            add(&mut hash, &parts.len().to_be_bytes());
            parts
                .iter()
                .for_each(|part| add(&mut hash, part.as_bytes()));
        }
        None => add_header(&mut hash, head, &CONTENT_TYPE),
    }
    match content_type.as_ref().and_then(ContentType::boundary) {
        Some(boundary) => {
            let delimiter = [b"--", boundary.as_bytes()].concat();
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

fn add_header(hash: &mut Sha256, head: &Parts, name: &HeaderName) {
    let values = head.headers.get_all(name);
    add(hash, &values.iter().count().to_be_bytes());
    for value in values {
        add(hash, value.as_bytes());
    }
}

fn add(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_be_bytes());
    hash.update(part);
}

fn find(body: &[u8], delimiter: &[u8]) -> Option<usize> {
    body.windows(delimiter.len())
        .position(|window| window == delimiter)
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
        assert_eq!(first, of("POST", "/a?b=1", "Text/Plain ", "x"));
        for other in [
            of("PUT", "/a?b=1", "text/plain", "x"),
            of("POST", "/a?b=2", "text/plain", "x"),
            of("POST", "/a?b=1", "text/plain", "y"),
            of("POST", "/a?b=1", "text/csv", "x"),
            of("POST", "/a?b=1", "text/plain; charset=utf-16", "x"),
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
