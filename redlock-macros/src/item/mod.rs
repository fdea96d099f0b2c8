//! The annotated item: the function, and the statements that are to run under the lock.

mod async_trait;
mod body;
mod function;
mod future;
mod output;
mod params;

pub(crate) use self::body::{Body, Form};
pub(crate) use self::function::Function;
pub(crate) use self::output::without_impl;
pub(crate) use self::params::Params;
