//! The fields of a multipart form (RFC 7578), as axum's handlers parse them.

use crate::key::KeyError;
use bytes::Bytes;
use multer::Multipart;
use std::convert::Infallible;

/// The values of the field, which have to be UTF-8: handlers decode other bytes in different ways.
pub(super) async fn values(kind: &str, body: Bytes, name: &str) -> Result<Vec<Bytes>, KeyError> {
    let boundary = multer::parse_boundary(kind).map_err(malformed)?;
    let whole = futures_util::stream::iter([Ok::<_, Infallible>(body)]);
    let mut form = Multipart::new(whole, boundary);
    let mut values = Vec::new();
    while let Some(field) = form.next_field().await.map_err(malformed)? {
        if field.name() != Some(name) {
            continue;
        }
        let charset = field
            .content_type()
            .and_then(|kind| kind.get_param("charset"));
        let is_utf8 = charset.is_none_or(|charset| charset == "utf-8");
        let value = field.bytes().await.map_err(malformed)?;
        if !is_utf8 || std::str::from_utf8(&value).is_err() {
            return Err(KeyError::invalid(format!(
                "the form field `{name}` is not UTF-8"
            )));
        }
        values.push(value);
    }
    Ok(values)
}

fn malformed(_: multer::Error) -> KeyError {
    KeyError::invalid("the multipart form is malformed")
}
