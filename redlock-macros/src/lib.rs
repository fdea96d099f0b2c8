//! The `#[redlock]` attribute; use it through the `redlock` crate.
//!
//! Data flows one way: `args` parses the arguments of the attribute, `item` parses the function, `check` compares the two, and
//! `expand` writes the new function. A new option is a row of the table in `args/options.rs`.

mod args;
mod attribute;
mod check;
mod errors;
mod expand;
mod item;
mod names;
mod spans;

use proc_macro::TokenStream;

#[doc = include_str!("../docs/redlock.md")]
#[doc = include_str!("../docs/options.md")]
#[doc = args::options_table!()]
#[doc = include_str!("../docs/values.md")]
#[doc = include_str!("../docs/returns.md")]
#[doc = include_str!("../docs/schedule.md")]
#[doc = include_str!("../docs/elsewhere.md")]
#[doc = include_str!("../docs/expansion.md")]
#[proc_macro_attribute]
pub fn redlock(args: TokenStream, item: TokenStream) -> TokenStream {
    attribute::attribute(args.into(), &item.into()).into()
}
