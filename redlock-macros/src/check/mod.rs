//! Checks the arguments as a whole, and against the function.

mod key;
mod options;

use syn::Type;
use syn::spanned::Spanned as _;

use crate::args::Args;
use crate::errors::Errors;
use crate::item::{Body, Function, Params};

/// Reports all mistakes. The body is missing if the function is not async.
pub(crate) fn check(args: &Args, function: &Function, body: Option<&Body>, errors: &mut Errors) {
    options::check(args, errors);
    if let Some(key) = &args.options.key {
        errors.ok(key::check(
            key,
            &function.sig.ident,
            &Params::of(function, body),
        ));
    }
    if let Some(Body {
        output: never @ Type::Never(_),
        ..
    }) = body
    {
        errors.push(syn::Error::new(
            never.span(),
            "a function that never returns cannot return the error of its lock; return `Result<Infallible, E>`",
        ));
    }
}
