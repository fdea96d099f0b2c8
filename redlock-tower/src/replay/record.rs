//! The encoding of a record.
//!
//! Layout, with lengths in bytes and big-endian integers: version (1), fingerprint of the request (32), kind (1). Kind 0
//! is a whole response: status (2), headers, trailers, and the body up to the end. Kind 1 is a response that was sent but
//! not recorded, with nothing after it. Headers and trailers: their count (4), then for each the length (4) and bytes of
//! its name, and the length (4) and bytes of its value. The count `u32::MAX` stands for no trailers.

use crate::body::Fingerprint;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

const VERSION: u8 = 2;
const NO_TRAILERS: u32 = u32::MAX;

/// What a record says about the response.
#[expect(clippy::large_enum_variant, reason = "short-lived, and most are whole")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Recording {
    Whole(Whole),
    /// The response was sent, but it was too large or took too long to record.
    NotRecorded,
}

/// A whole response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) trailers: Option<HeaderMap>,
}

pub(super) fn encode(fingerprint: &Fingerprint, recording: &Recording) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend_from_slice(fingerprint);
    match recording {
        Recording::NotRecorded => out.push(1),
        Recording::Whole(whole) => {
            out.push(0);
            out.extend_from_slice(&whole.status.as_u16().to_be_bytes());
            put_fields(&mut out, &whole.headers);
            match &whole.trailers {
                Some(trailers) => put_fields(&mut out, trailers),
                None => out.extend_from_slice(&NO_TRAILERS.to_be_bytes()),
            }
            out.extend_from_slice(&whole.body);
        }
    }
    out
}

fn put_fields(out: &mut Vec<u8>, fields: &HeaderMap) {
    put_len(out, fields.len());
    for (name, value) in fields {
        put_bytes(out, name.as_str().as_bytes());
        put_bytes(out, value.as_bytes());
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// No server lets a field of 4 GiB through.
fn put_len(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
}

/// Returns `None` if it is not a record of this version.
pub(super) fn decode(record: Vec<u8>) -> Option<(Fingerprint, Recording)> {
    let mut rest = Bytes::from(record);
    if take::<1>(&mut rest)? != [VERSION] {
        return None;
    }
    let fingerprint = take::<32>(&mut rest)?;
    match take::<1>(&mut rest)? {
        [0] => {}
        [1] => return Some((fingerprint, Recording::NotRecorded)),
        _ => return None,
    }
    let status = StatusCode::from_u16(take(&mut rest).map(u16::from_be_bytes)?).ok()?;
    let headers = take_len(&mut rest)?;
    let headers = take_fields(&mut rest, headers)?;
    let trailers = match take_len(&mut rest)? {
        NO_TRAILERS => None,
        trailers => Some(take_fields(&mut rest, trailers)?),
    };
    let whole = Whole {
        status,
        headers,
        body: rest,
        trailers,
    };
    Some((fingerprint, Recording::Whole(whole)))
}

fn take_fields(rest: &mut Bytes, number: u32) -> Option<HeaderMap> {
    let mut fields = HeaderMap::new();
    for _ in 0..number {
        let name = take_bytes(rest)?;
        let value = take_bytes(rest)?;
        let name = HeaderName::from_bytes(&name).ok()?;
        fields
            .try_append(name, HeaderValue::from_bytes(&value).ok()?)
            .ok()?;
    }
    Some(fields)
}

fn take<const N: usize>(rest: &mut Bytes) -> Option<[u8; N]> {
    let bytes = *rest.first_chunk::<N>()?;
    *rest = rest.slice(N..);
    Some(bytes)
}

fn take_len(rest: &mut Bytes) -> Option<u32> {
    take(rest).map(u32::from_be_bytes)
}

fn take_bytes(rest: &mut Bytes) -> Option<Bytes> {
    let len = usize::try_from(take_len(rest)?).ok()?;
    (len <= rest.len()).then(|| rest.split_to(len))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn whole(body: &'static [u8], trailers: Option<HeaderMap>) -> Recording {
        let location = HeaderName::from_static("location");
        let any = HeaderName::from_static("x-any");
        Recording::Whole(Whole {
            status: StatusCode::CREATED,
            headers: HeaderMap::from_iter([
                (location, HeaderValue::from_static("/orders/1")),
                (any, HeaderValue::from_bytes(b"\xff").unwrap()),
            ]),
            body: Bytes::from_static(body),
            trailers,
        })
    }

    #[test]
    fn a_record_decodes_to_what_was_encoded() {
        let checksum = HeaderName::from_static("x-checksum");
        let trailers = HeaderMap::from_iter([(checksum, HeaderValue::from_static("1"))]);
        for recording in [
            whole(b"", None),
            whole(b"{}", None),
            whole(b"{}", Some(HeaderMap::new())),
            whole(b"{}", Some(trailers)),
            Recording::NotRecorded,
        ] {
            assert_eq!(
                decode(encode(&[7; 32], &recording)),
                Some(([7; 32], recording))
            );
        }
    }

    #[test]
    fn a_truncated_record_is_none() {
        let record = encode(&[7; 32], &whole(b"", None));
        for len in 0..record.len() {
            assert_eq!(decode(record[..len].to_vec()), None, "{len} bytes");
        }
    }
}
