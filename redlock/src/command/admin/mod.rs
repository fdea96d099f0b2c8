//! What an operator asks of a node: who holds a lock, to take it away, to trust a node.

mod force_release;
mod inspect;
mod trust;

pub(crate) use self::{force_release::ForceRelease, inspect::Inspect, trust::Trust};
