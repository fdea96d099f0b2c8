//! What a body contains, by its headers.

use crate::key::KeyError;
use http::{
    HeaderMap,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};

/// The format of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// `application/x-www-form-urlencoded`.
    UrlEncoded,
    /// `multipart/form-data`, with the whole header, which contains the boundary.
    Multipart(String),
    Other,
}

impl Content {
    /// Rejects contradicting content types: the handler might read the body in another way than the lock.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, KeyError> {
        uncompressed(headers)?;
        let mut types = headers.get_all(CONTENT_TYPE).iter();
        let Some(kind) = types.next() else {
            return Ok(Self::Other);
        };
        if types.any(|other| other != kind) {
            return Err(KeyError::invalid(
                "the header `content-type` has more than one value; send one",
            ));
        }
        let Ok(kind) = kind.to_str() else {
            return Ok(Self::Other);
        };
        let essence = kind.split(';').next().unwrap_or_default().trim();
        Ok(if essence.eq_ignore_ascii_case("multipart/form-data") {
            Self::Multipart(kind.to_owned())
        } else if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Self::UrlEncoded
        } else {
            Self::Other
        })
    }
}

/// Rejects a body that a layer further in decompresses: the handler would read a key where the lock finds none.
pub(super) fn uncompressed(headers: &HeaderMap) -> Result<(), KeyError> {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    if encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(KeyError::invalid(
            "the body is compressed, and its key cannot be read; send it without a content-encoding",
        ));
    }
    Ok(())
}
