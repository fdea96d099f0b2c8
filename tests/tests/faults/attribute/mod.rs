//! The attribute: options, keys, firings, what is dropped when.

mod drops;
mod expressions;
mod orders;
mod world;
