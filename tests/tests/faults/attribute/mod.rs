//! The attribute: options, keys, firings, what is dropped when.

mod drops;
mod expressions;
mod firings;
mod keys;
mod orders;
mod outcomes;
mod reentry;
mod runtimes;
