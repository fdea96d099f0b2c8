//! Why the body of a request could not be read.

use http_body_util::LengthLimitError;
use std::error::Error;

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// It exceeds the limit of this layer, or of an outer one.
    TooLarge,
    /// The client aborted, or an outer layer failed.
    Unreadable,
    /// The extractor is not one that [reads the body](super::WithBody).
    NotOffered,
}

impl BodyError {
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if error.is::<LengthLimitError>() {
                return Self::TooLarge;
            }
            cause = error.source();
        }
        Self::Unreadable
    }
}
