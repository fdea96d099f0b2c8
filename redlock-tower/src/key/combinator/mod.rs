//! Extractors made of other extractors.

mod and;
mod boxed;
mod or;
mod parsed;
mod shared;
mod tuple;

pub use self::{
    and::{And, AndFuture},
    boxed::BoxKeyExtractor,
    or::{Or, OrFuture},
    parsed::{Parsed, ParsedFuture},
};
