//! The structure of the workspace, read from its own sources: modules, what they use, and how long their functions are.
//!
//! `cargo run -p tests --bin architecture` draws the picture of `ARCHITECTURE.md` with it, and the test program `house`
//! checks that the picture is up to date and has no circle.

mod graph;
mod picture;
mod source;

pub use graph::Graph;
pub use picture::picture;
pub use source::{Function, Source, sources, texts};

/// The packages whose structure is drawn and checked.
pub const PACKAGES: [&str; 3] = ["redlock", "redlock-tower", "redlock-macros"];
