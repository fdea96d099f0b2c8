//! What the example programs share: their nodes, how they speak, and how they end.

mod locks;
mod options;
mod speech;

pub use locks::Locks;
pub use options::{REDIS_URLS, no_options};
pub use speech::{exit_code, say};

/// The programs of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
