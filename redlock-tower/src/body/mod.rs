//! The body of a request: read ahead for a key or a replay, and passed on to the handler.

mod content_type;
mod error;
mod fingerprint;
mod reader;
mod reads;
mod request;
mod source;

#[cfg(feature = "replay")]
pub(crate) use self::fingerprint::Fingerprint;
pub(crate) use self::{error::BodyError, fingerprint::fingerprint, reader::Reader};
pub use self::{
    reader::ReadBody,
    reads::{HeadOnly, Reads, WithBody},
    request::RequestBody,
};

/// The error of request and response bodies.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
