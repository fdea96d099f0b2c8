//! The key from the `Idempotency-Key` header.

use crate::key::{HeadOnly, Key, KeyError, KeyExtractor, Unstated};
use http::{HeaderMap, request::Parts};
use std::future::{Ready, ready};

/// The header, and the name of the key's part.
const NAME: &str = "idempotency-key";

/// The key from `Idempotency-Key`: see [`idempotency_key`].
#[derive(Clone, Copy, Debug)]
pub struct IdempotencyKey;

/// The `Idempotency-Key` header, as in [draft-ietf-httpapi-idempotency-key-header]: a quoted string. It may lack the quotes,
/// as many clients send it.
///
/// Clients choose it, so it is unique within a client at best, and does not name the caller: combine it with the
/// [`identity`](crate::key::identity) of the caller.
///
/// ```
/// use redlock_tower::key::{self, KeyExtractor, Unstated};
///
/// let per_submit = key::identity(key::header("x-user-id")).and(key::idempotency_key());
/// # fn check(_: impl KeyExtractor) {}
/// # check(per_submit);
/// ```
///
/// [draft-ietf-httpapi-idempotency-key-header]: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
#[must_use]
pub fn idempotency_key() -> IdempotencyKey {
    IdempotencyKey
}

impl KeyExtractor for IdempotencyKey {
    type Future = Ready<Result<Option<Key>, KeyError>>;
    type Scope = Unstated;
    type Reads = HeadOnly;

    fn extract(&self, parts: &Parts) -> Self::Future {
        ready(read(&parts.headers, None).map(|value| value.map(|value| Key::named(NAME, value))))
    }
}

/// The value of the header without its quotes and parameters.
pub(crate) fn read(headers: &HeaderMap, limit: Option<usize>) -> Result<Option<Vec<u8>>, KeyError> {
    let mut values = headers.get_all(NAME).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.any(|other| other != value) {
        return Err(KeyError::invalid(
            "the header `idempotency-key` has more than one value; send one",
        ));
    }
    let value = value.as_bytes().trim_ascii();
    let key = match value.strip_prefix(b"\"") {
        Some(rest) => unquote(rest).ok_or_else(|| {
            KeyError::invalid("the header `idempotency-key` is not a quoted string; send it as \"8e03978e-40d5-43e8\"")
        })?,
        None => value.to_vec(),
    };
    if key.is_empty() {
        return Err(KeyError::invalid(
            "the header `idempotency-key` is empty; send a new one with each new request",
        ));
    }
    if let Some(limit) = limit
        && key.len() > limit
    {
        return Err(KeyError::invalid(format!(
            "the header `idempotency-key` has more than {limit} bytes; send a shorter one"
        )));
    }
    Ok(Some(key))
}

/// Reads a string (RFC 8941) after its opening quote. Parameters after it are not part of the key.
fn unquote(rest: &[u8]) -> Option<Vec<u8>> {
    let mut key = Vec::with_capacity(rest.len());
    let mut bytes = rest.iter();
    loop {
        match *bytes.next()? {
            b'"' => break,
            b'\\' => match *bytes.next()? {
                escaped @ (b'"' | b'\\') => key.push(escaped),
                _ => return None,
            },
            byte @ b' '..=b'~' => key.push(byte),
            _ => return None,
        }
    }
    matches!(bytes.as_slice(), [] | [b';', ..]).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn key(value: &'static str) -> Result<Option<Vec<u8>>, KeyError> {
        let mut headers = HeaderMap::new();
        headers.insert(NAME, HeaderValue::from_static(value));
        read(&headers, None)
    }

    #[test]
    fn a_quoted_and_a_bare_key_are_the_same() {
        assert_eq!(key("\"abc\""), Ok(Some(b"abc".to_vec())));
        assert_eq!(key("abc"), Ok(Some(b"abc".to_vec())));
        assert_eq!(key("\"a\\\"b\";v=1"), Ok(Some(b"a\"b".to_vec())));
    }

    #[test]
    fn a_malformed_or_empty_string_is_rejected() {
        for value in ["\"abc", "\"a\\b\"", "\"a\"b", "\"\"", ""] {
            assert!(key(value).is_err(), "{value}");
        }
    }
}
