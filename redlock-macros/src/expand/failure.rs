//! The last statement: what the function returns if the lock was busy, unavailable or lost.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Expr;
use syn::spanned::Spanned as _;

use super::source::Source;
use crate::args::Args;
use crate::item::without_impl;
use crate::names::rename_self;
use crate::spans::{at, here, local, local_at};

/// `let on_error = ...`, if evaluating it may have an effect. Like all options, it is evaluated before the body takes the
/// arguments.
pub(super) fn evaluate(source: &Source<'_>) -> Option<TokenStream> {
    let on_error = source.args.options.on_error.as_ref();
    let make = on_error.filter(|make| !is_in_place(make))?;
    let (name, output) = (local("on_error"), without_impl(&source.body.output));
    let krate = &source.krate;
    Some(quote_spanned! {here(make.span())=>
        let #name = #krate::__private::on_error::<#output, _>(#make);
    })
}

/// `on_error` in the last statement. A closure there can use what the body does not use, and does not borrow it until then.
pub(super) fn in_place(args: &Args) -> Option<&Expr> {
    let on_error = args.options.on_error.as_ref();
    on_error.filter(|make| is_in_place(make))
}

fn is_in_place(make: &Expr) -> bool {
    matches!(make, Expr::Closure(_) | Expr::Path(_))
}

/// `.unwrap_or_else(...)`
pub(super) fn handler(source: &Source<'_>) -> TokenStream {
    let Source {
        args,
        function,
        body,
        krate,
    } = source;
    let span = here(body.output_span(function));
    let krate = at(span, krate.clone());
    // A closure: the compiler would check, and report, the bounds of a bare path twice.
    let error = local_at("error", span);
    let make = args.options.on_error.as_ref().map(|_| {
        let name = local("on_error");
        match in_place(args) {
            Some(make) => rename_self(quote!(#make), body.receiver.as_ref()),
            None => quote!(#name),
        }
    });
    match (&args.options.on_busy, make) {
        (None, None) => quote_spanned! {span=>
            .unwrap_or_else(|#error| #krate::__private::FromLockError::from_lock_error(#error))
        },
        (Some(_), None) => {
            let name = function.sig.ident.to_string();
            quote_spanned!(span=> .unwrap_or_else(|#error| #krate::__private::skip(#name, #error)))
        }
        (None, Some(make)) => quote!(.unwrap_or_else(#make)),
        (Some(_), Some(make)) => {
            let skip =
                quote_spanned!(span=> .or_else(|#error| #krate::__private::skip_busy(#error)));
            quote!(#skip .unwrap_or_else(#make))
        }
    }
}
