//! The effects of commands of operators.

pub(super) mod force_release;
pub(super) mod inspect;
