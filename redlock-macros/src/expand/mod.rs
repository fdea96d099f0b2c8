//! The expansion: statements that build a request from the options, run the body under the lock, and return the error if that
//! fails.

mod body;
mod crate_path;
mod failure;
mod hints;
mod key;
mod owned;
mod request;
mod source;
mod wildcards;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Ident;

use self::source::Source;
use crate::args::Args;
use crate::item::{Body, Function};
use crate::spans::at;

/// The new function. `None` only if a required option is missing, which was reported.
pub(crate) fn expand(args: &Args, function: &mut Function, body: &Body) -> Option<TokenStream> {
    wildcards::name(function);
    let statements = statements(args, function, body)?;
    Some(function.with_statements(&body.replace(&statements)))
}

fn statements(args: &Args, function: &Function, body: &Body) -> Option<TokenStream> {
    let source = Source {
        args,
        function,
        body,
        krate: krate(args),
    };
    let request = request::statements(&source)?;
    let hints = hints::statements(&source);
    let run = body::statements(&source);
    let failure = failure::handler(&source);
    Some(quote!(#hints #request #run #failure))
}

fn krate(args: &Args) -> TokenStream {
    let path = match &args.options.krate {
        Some(path) => quote!(#path),
        None => {
            let name = crate_path::renamed().unwrap_or_else(|| "redlock".into());
            let name = Ident::new(&name, Span::call_site());
            quote!(::#name)
        }
    };
    // Give the user's path the spans of the expansion, so that no lint reports it here.
    at(Span::call_site(), path)
}
