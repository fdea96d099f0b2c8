//! The key from a value in a JSON document.

use super::{
    BodyKey,
    content::uncompressed,
    pointer::{Found, Pointer},
    read_body,
};
use crate::key::{Key, KeyError, KeyExtractor, Unstated, WithBody};
use http::request::Parts;
use std::sync::Arc;

/// The key from a value in a JSON document: see [`json`].
#[derive(Clone, Debug)]
pub struct Json {
    label: &'static str,
    /// `None` if the label is not a pointer.
    pointer: Option<Arc<Pointer>>,
}

/// A string or a whole number in a JSON body, found by its JSON pointer ([RFC 6901]): `/order/id`, `/items/0/sku`.
///
/// The decoded value is the key, so that all spellings of it (`"A"`, `"\u0041"`) are one, and a number is the same key as a
/// string with its digits. A request has no key if it has no body, or if the value is missing, `null` or an empty string.
///
/// A request is rejected with 400
/// - if a member on the way to the value occurs twice, because parsers disagree about which one counts;
/// - if the value is a fraction, a boolean, an array or an object;
/// - if the body is compressed, or is not JSON.
///
/// The content type is ignored, because a handler may ignore it too. If a route accepts forms as well, put the form first:
/// `key::form("id").or(key::json("/id"))`.
///
/// A malformed pointer is logged as an error, and every request is rejected with 500.
///
/// ```
/// use redlock_tower::key::{self, KeyExtractor};
///
/// let by_order = key::json("/order/id");
/// // Strings that the handler parses as numbers, in all their spellings.
/// let by_number = key::json("/order/number").parsed::<u64>();
/// # fn check(_: impl KeyExtractor) {}
/// # check(by_order); check(by_number);
/// ```
///
/// [RFC 6901]: https://www.rfc-editor.org/rfc/rfc6901
#[must_use]
pub fn json(pointer: &'static str) -> Json {
    let parsed = Pointer::parse(pointer);
    if parsed.is_none() {
        crate::events::invalid_pointer(pointer);
    }
    Json {
        label: pointer,
        pointer: parsed.map(Arc::new),
    }
}

impl KeyExtractor for Json {
    type Future = BodyKey;
    type Scope = Unstated;
    type Reads = WithBody;

    fn extract(&self, parts: &Parts) -> Self::Future {
        let (label, pointer, body) = (self.label, self.pointer.clone(), read_body(parts));
        let encoding = uncompressed(&parts.headers);
        Box::pin(async move {
            let Some(pointer) = pointer else {
                return Err(KeyError::misconfigured(
                    "the key of this route is at a JSON pointer that is malformed",
                ));
            };
            encoding?;
            let body = body.await?;
            if body.is_empty() {
                return Ok(None);
            }
            match pointer.find(&body)? {
                Found::Nothing => Ok(None),
                Found::Value(value) if value.is_empty() => Ok(None),
                Found::Value(value) => Ok(Some(Key::named(label, value))),
                Found::Twice => Err(KeyError::invalid(format!(
                    "a member on the way to `{label}` occurs twice in the JSON document"
                ))),
                Found::NoKey => Err(KeyError::invalid(format!(
                    "the value at `{label}` in the JSON document is neither a string nor a whole number"
                ))),
            }
        })
    }
}
