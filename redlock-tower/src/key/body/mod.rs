//! Keys in the body of a request.

mod content;
mod fingerprint;
mod form;
mod from_body;
mod json;
#[cfg(feature = "multipart")]
mod multipart;
mod pointer;

pub use self::{
    fingerprint::{FingerprintKey, fingerprint},
    form::{Form, form},
    from_body::{FromBody, from_body, read_body},
    json::{Json, json},
};

use super::{Key, KeyError};

/// Boxed, because it waits for the body.
type BodyKey = std::pin::Pin<Box<dyn Future<Output = Result<Option<Key>, KeyError>> + Send>>;
