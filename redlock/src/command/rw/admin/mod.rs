//! Commands of operators about a read/write lock.

mod force_release;
mod inspect;

pub(crate) use self::{force_release::ForceReleaseSides, inspect::InspectSides};
