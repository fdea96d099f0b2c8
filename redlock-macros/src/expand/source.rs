//! What the parts of the expansion are made from.

use proc_macro2::TokenStream;

use crate::args::Args;
use crate::item::{Body, Function};

/// The checked input of the expansion.
pub(super) struct Source<'a> {
    pub(super) args: &'a Args,
    pub(super) function: &'a Function,
    pub(super) body: &'a Body,
    /// The path of the crate.
    pub(super) krate: TokenStream,
}
