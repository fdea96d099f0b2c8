//! A first answer as bytes: what a store keeps.
//!
//! Layout, integers big-endian: version (1), fingerprint of the request (32), kind (1: 0 whole, 1 not kept), and of a
//! whole one status (2), headers, trailers, and the body. Headers and trailers are their number (4), and each the lengths
//! and bytes of its name and value (4 + n, 4 + n); no trailers are written as the number `u32::MAX`.

use super::fingerprint::Fingerprint;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

const VERSION: u8 = 2;
const NO_TRAILERS: u32 = u32::MAX;

/// A first answer.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and most are whole"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Whole(Whole),
    /// It was given, and was too large or too long in coming to keep.
    NotKept,
}

/// All of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) trailers: Option<HeaderMap>,
}

pub(super) fn encode(fingerprint: &Fingerprint, answer: &Answer) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend_from_slice(fingerprint);
    match answer {
        Answer::NotKept => out.push(1),
        Answer::Whole(whole) => {
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

/// Fields of 4 GiB do not come through any server.
fn put_len(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
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
        [1] => return Some((fingerprint, Answer::NotKept)),
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
    Some((fingerprint, Answer::Whole(whole)))
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

    fn whole(body: &'static [u8], trailers: Option<HeaderMap>) -> Answer {
        let location = HeaderName::from_static("location");
        let any = HeaderName::from_static("x-any");
        Answer::Whole(Whole {
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
    fn what_is_written_is_read() {
        let checksum = HeaderName::from_static("x-checksum");
        let trailers = HeaderMap::from_iter([(checksum, HeaderValue::from_static("1"))]);
        for answer in [
            whole(b"", None),
            whole(b"{}", None),
            whole(b"{}", Some(HeaderMap::new())),
            whole(b"{}", Some(trailers)),
            Answer::NotKept,
        ] {
            assert_eq!(decode(encode(&[7; 32], &answer)), Some(([7; 32], answer)));
        }
    }

    #[test]
    fn half_a_record_is_none() {
        let record = encode(&[7; 32], &whole(b"", None));
        for len in 0..record.len() {
            assert_eq!(decode(record[..len].to_vec()), None, "{len} bytes");
        }
    }
}
