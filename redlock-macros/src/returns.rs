//! The end of the expansion: what is returned where the lock was refused, not to be had, or lost.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, ReturnType};

use crate::attr::Args;
use crate::function::{Core, Function};
use crate::tokens::{at, here, local, local_at, rename_self, without_impl};

/// `on_error`, where evaluating it does something: before the body takes the arguments, as all options.
///
/// A closure is left where it is called. So it can use what the body does not, without borrowing it meanwhile.
pub(crate) fn on_error(args: &Args, core: &Core, krate: &TokenStream) -> Option<TokenStream> {
    let make = args.on_error.as_ref().filter(|make| !is_inline(make))?;
    let (name, output) = (local("on_error"), without_impl(&core.output));
    Some(quote_spanned! {here(make.span())=>
        let #name = #krate::__private::on_error::<#output, _>(#make);
    })
}

/// Whether `on_error` is used where it is called.
pub(crate) fn is_inline(make: &Expr) -> bool {
    matches!(make, Expr::Closure(_) | Expr::Path(_))
}

/// `.unwrap_or_else(...)`
pub(crate) fn finish(
    args: &Args,
    function: &Function,
    core: &Core,
    krate: &TokenStream,
) -> TokenStream {
    let span = here(output_span(function, core));
    let krate = at(span, krate.clone());
    // A closure, since a bare path would have its bounds checked, and reported, twice.
    let error = local_at("error", span);
    let make = args.on_error.as_ref().map(|make| {
        let name = local("on_error");
        match (is_inline(make), &core.receiver) {
            (false, _) => quote!(#name),
            (true, None) => quote!(#make),
            (true, Some(receiver)) => rename_self(quote!(#make), receiver),
        }
    });
    match (args.skip_busy, make) {
        (false, None) => quote_spanned! {span=>
            .unwrap_or_else(|#error| #krate::__private::FromLockError::from_lock_error(#error))
        },
        (true, None) => {
            let name = function.sig.ident.to_string();
            quote_spanned!(span=> .unwrap_or_else(|#error| #krate::__private::skip(#name, #error)))
        }
        (false, Some(make)) => quote!(.unwrap_or_else(#make)),
        (true, Some(make)) => {
            let skip =
                quote_spanned!(span=> .or_else(|#error| #krate::__private::skip_busy(#error)));
            quote!(#skip .unwrap_or_else(#make))
        }
    }
}

/// The return type, or the function's name where none is written.
pub(crate) fn output_span(function: &Function, core: &Core) -> Span {
    match &function.sig.output {
        ReturnType::Default => function.sig.ident.span(),
        ReturnType::Type(..) => core.output.span(),
    }
}
