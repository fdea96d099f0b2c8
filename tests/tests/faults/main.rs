//! Faults that were found by using the product from outside, each with its kind. A test is named after the row that it
//! covers: `f15_…`.
#![allow(clippy::unwrap_used, reason = "a test that unwraps fails at its line")]

mod attribute;
mod cluster;
mod connecting;
mod delivery;
mod endings;
mod events;
mod keys;
mod layer_fit;
mod layer_keys;
mod lease;
mod placement;
mod rejections;
mod replay;
mod restart_guard;
mod waiters;
mod waiting;
