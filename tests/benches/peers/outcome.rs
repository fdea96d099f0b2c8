//! What can go wrong in a benchmark: anything, and the text of it is all that matters.

/// A value, or why there is none.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
