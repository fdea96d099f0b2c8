//! Commands of operators: who holds a lock, take it away, trust a node.

mod force_release;
mod inspect;
mod trust;

pub(crate) use self::{force_release::ForceRelease, inspect::Inspect, trust::Trust};
