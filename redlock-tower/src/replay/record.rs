//! A first answer as bytes: what a store keeps.
//!
//! Layout, integers big-endian: version (1), fingerprint of the request (32), kind (1: 0 whole, 1 too large), and of a
//! whole one status (2), number of headers (2), each with length and bytes of name and value (2 + n, 2 + n), and the body.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, request::Parts};
use sha2::{Digest as _, Sha256};

const VERSION: u8 = 1;

/// What tells a repeated request from another one under the same key.
pub(super) type Fingerprint = [u8; 32];

/// A first answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Whole {
        status: StatusCode,
        headers: HeaderMap,
        body: Bytes,
    },
    /// It was given, and was too large to keep.
    TooLarge,
}

/// Of method, path, query and body.
pub(super) fn fingerprint(head: &Parts, body: &[u8]) -> Fingerprint {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    };
    add(head.method.as_str().as_bytes());
    add(head
        .uri
        .path_and_query()
        .map_or("", |path| path.as_str())
        .as_bytes());
    add(body);
    hash.finalize().into()
}

pub(super) fn encode(fingerprint: &Fingerprint, answer: &Answer) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend_from_slice(fingerprint);
    match answer {
        Answer::TooLarge => out.push(1),
        Answer::Whole {
            status,
            headers,
            body,
        } => {
            out.push(0);
            out.extend_from_slice(&status.as_u16().to_be_bytes());
            // a value of over 64 KiB is left out: no client would have taken it
            let fits = |(name, value): &(&HeaderName, &HeaderValue)| {
                name.as_str().len() <= usize::from(u16::MAX) && value.len() <= usize::from(u16::MAX)
            };
            let headers: Vec<_> = headers
                .iter()
                .filter(fits)
                .take(usize::from(u16::MAX))
                .collect();
            put_len(&mut out, headers.len());
            for (name, value) in headers {
                put_len(&mut out, name.as_str().len());
                out.extend_from_slice(name.as_str().as_bytes());
                put_len(&mut out, value.len());
                out.extend_from_slice(value.as_bytes());
            }
            out.extend_from_slice(body);
        }
    }
    out
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
}

/// `None` where it is not a record of this version.
pub(super) fn decode(record: Vec<u8>) -> Option<(Fingerprint, Answer)> {
    let mut rest = Bytes::from(record);
    if take::<1>(&mut rest)? != [VERSION] {
        return None;
    }
    let fingerprint = take::<32>(&mut rest)?;
    match take::<1>(&mut rest)? {
        [0] => {}
        [1] => return Some((fingerprint, Answer::TooLarge)),
        _ => return None,
    }
    let status = StatusCode::from_u16(take_len(&mut rest)?).ok()?;
    let mut headers = HeaderMap::new();
    for _ in 0..take_len(&mut rest)? {
        let name = take_bytes(&mut rest)?;
        let value = take_bytes(&mut rest)?;
        headers.append(
            HeaderName::from_bytes(&name).ok()?,
            HeaderValue::from_bytes(&value).ok()?,
        );
    }
    Some((
        fingerprint,
        Answer::Whole {
            status,
            headers,
            body: rest,
        },
    ))
}

fn take<const N: usize>(rest: &mut Bytes) -> Option<[u8; N]> {
    let bytes = *rest.first_chunk::<N>()?;
    *rest = rest.slice(N..);
    Some(bytes)
}

fn take_len(rest: &mut Bytes) -> Option<u16> {
    take::<2>(rest).map(u16::from_be_bytes)
}

fn take_bytes(rest: &mut Bytes) -> Option<Bytes> {
    let len = usize::from(take_len(rest)?);
    (len <= rest.len()).then(|| rest.split_to(len))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use http::Request;

    #[test]
    fn what_is_written_is_read() {
        let headers = HeaderMap::from_iter([
            (
                HeaderName::from_static("location"),
                HeaderValue::from_static("/orders/1"),
            ),
            (
                HeaderName::from_static("x-any"),
                HeaderValue::from_bytes(b"\xff").unwrap(),
            ),
        ]);
        for body in [Bytes::new(), Bytes::from_static(b"{}")] {
            let answer = Answer::Whole {
                status: StatusCode::CREATED,
                headers: headers.clone(),
                body,
            };
            assert_eq!(decode(encode(&[7; 32], &answer)), Some(([7; 32], answer)));
        }
        assert_eq!(
            decode(encode(&[7; 32], &Answer::TooLarge)),
            Some(([7; 32], Answer::TooLarge))
        );
    }

    #[test]
    fn half_a_record_is_none() {
        let answer = Answer::Whole {
            status: StatusCode::OK,
            headers: HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("x"))]),
            body: Bytes::new(),
        };
        let record = encode(&[7; 32], &answer);
        for len in 0..record.len() {
            assert_eq!(decode(record[..len].to_vec()), None, "{len} bytes");
        }
    }

    #[test]
    fn a_request_is_told_by_method_path_query_and_body() {
        let of = |method: &str, path: &str, body: &[u8]| {
            let head = Request::builder()
                .method(method)
                .uri(path)
                .body(())
                .unwrap()
                .into_parts()
                .0;
            fingerprint(&head, body)
        };
        let first = of("POST", "/a?b=1", b"x");
        assert_eq!(first, of("POST", "/a?b=1", b"x"));
        for other in [
            of("PUT", "/a?b=1", b"x"),
            of("POST", "/a?b=2", b"x"),
            of("POST", "/a?b=1", b"y"),
        ] {
            assert_ne!(first, other);
        }
    }
}
