//! What the example programs share: their nodes, their output, and their exit codes.

mod locks;
mod options;
mod speech;

pub use locks::Locks;
pub use options::{REDIS_URLS, no_options};
pub use speech::{exit_code, say};

/// Compiles the programs of the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
