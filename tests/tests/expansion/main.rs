//! Functions with the attribute that have to compile without any warning. Most are never called: the compiler is the test.

#![deny(rust_2024_compatibility)]

pub mod attributes;
pub mod every_option;
pub mod generics;
pub mod handlers;
pub mod instrument;
pub mod keys;
pub mod others;
pub mod readme;
pub mod receivers;
pub mod renamed;
pub mod replay_scope;
pub mod returns;
pub mod shadowed;
pub mod traits;
