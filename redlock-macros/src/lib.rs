//! The `#[redlock]` attribute; use it through the `redlock` crate.

mod attr;
mod body;
mod captures;
mod check;
mod duration;
mod errors;
mod expand;
mod function;
mod hints;
mod key;
mod manifest;
mod names;
mod params;
mod request;
mod returns;
mod suggest;
mod template;
mod tokens;
mod value;

use proc_macro::TokenStream;

#[doc = include_str!("../docs/redlock.md")]
#[doc = include_str!("../docs/options.md")]
#[doc = include_str!("../docs/returns.md")]
#[doc = include_str!("../docs/schedule.md")]
#[doc = include_str!("../docs/elsewhere.md")]
#[doc = include_str!("../docs/expansion.md")]
#[proc_macro_attribute]
pub fn redlock(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(args.into(), &item.into()).into()
}

/// An expression without the invisible brackets that `macro_rules!` leaves around it.
fn peel(mut expr: syn::Expr) -> syn::Expr {
    while let syn::Expr::Group(group) = expr {
        expr = *group.expr;
    }
    expr
}
