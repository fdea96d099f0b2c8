//! The second half of the expansion: the user's statements as a future that owns what they own, run under the lock.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Type;

use crate::attr::Args;
use crate::captures::{Argument, Owned};
use crate::function::{Core, Function};
use crate::returns::output_span;
use crate::tokens::{here, local, local_at, rename_self, without_impl};

/// `let body = async move { ... }; call.run(body).await`
pub(crate) fn statements(
    args: &Args,
    function: &Function,
    core: &Core,
    krate: &TokenStream,
) -> TokenStream {
    let (call, body) = (local("call"), local("body"));
    let block = block(args, function, core);
    let open = args.fail_open || args.condition.is_some();
    // The type is written out, since the closure is checked before anything says what it is called with.
    let (run, value) = match (&args.guard, open) {
        (None, false) => (quote!(run), block),
        (Some(guard), false) => (quote!(run_with), quote!(move |#guard: #krate::Held| #block)),
        (guard, true) => {
            let held = quote!(::core::option::Option<#krate::Held>);
            let guard = match guard {
                Some(guard) => quote!(#guard),
                None => quote!(_),
            };
            (quote!(run_open), quote!(move |#guard: #held| #block))
        }
    };
    let dedupe = args.dedupe_for.as_ref().map(|_| {
        let window = local("window");
        let success = match (&args.success, &core.receiver) {
            (None, _) => success(function, core, krate),
            (Some(given), None) => quote!(#given),
            (Some(given), Some(receiver)) => rename_self(quote!(#given), receiver),
        };
        let of = match (&args.guard, open) {
            (None, false) => quote!(success),
            _ => quote!(success_with),
        };
        quote! {
            let #call = #call.dedupe_for(#window, #krate::__private::#of(&#body, #success));
        }
    });
    quote! {
        let #body = #value;
        #dedupe
        #call.#run(#body).await
    }
}

/// `async move { the user's body }`
fn block(args: &Args, function: &Function, core: &Core) -> TokenStream {
    let statements = &core.statements;
    let output = without_impl(&core.output);
    let span = output_span(function, core);
    let value = local_at("value", span);
    let captured = Owned::of(args, function, core);
    let (owned, unused) = (owned(&captured.names), &captured.unused);
    // The compiler finds these unused, where they stand and in its own words.
    let unused = (!unused.is_empty()).then(|| quote!(let _ = |#(#unused: ()),*| {};));
    // Never taken; it tells the type of the block before its first `?` or `return`, and so a wrong
    // one is reported where the user wrote it.
    let edge = quote_spanned! {here(span)=>
        if let ::core::option::Option::Some(#value) = ::core::option::Option::None::<#output> {
            return #value;
        }
    };
    quote!(async move { #edge #owned #unused #statements })
}

/// Names what the body is to own: so that arguments which it does not name are dropped with it, under the lock and in
/// their order, as in any function.
///
/// An argument that may not be there has a statement of its own, which is not there either.
fn owned(arguments: &[Argument]) -> Option<TokenStream> {
    if arguments.is_empty() {
        return None;
    }
    let there = |argument: &Argument| argument.cfg.is_empty();
    let statements = arguments
        .chunk_by(|a, b| there(a) && there(b))
        .map(|chunk| {
            let names = chunk.iter().map(|argument| &argument.name);
            let cfg = chunk.iter().flat_map(|argument| &argument.cfg);
            let marked = |argument: &Argument| argument.name.to_string().starts_with('_');
            let allow = chunk
                .iter()
                .any(marked)
                .then(|| quote!(#[allow(clippy::used_underscore_binding)]));
            quote!(#(#cfg)* #allow let _ = (#(&#names,)*);)
        });
    Some(statements.collect())
}

/// Whether a value of the body is a success: `Ok`, an HTTP status below 400, or anything that is neither.
fn success(function: &Function, core: &Core, krate: &TokenStream) -> TokenStream {
    let output = without_impl(&core.output);
    let value = local("value");
    let typed = match output {
        Type::Infer(_) => quote!(#value),
        output => quote!(#value: &#output),
    };
    let span = here(output_span(function, core));
    quote_spanned! {span=> |#typed| {
        #[allow(unused_imports)]
        use #krate::__private::{
            AnySuccess as _, PlainReply as _, PlainSuccess as _, ResultOfAny as _, ResultOfReply as _,
        };
        (&&&&&#krate::__private::Returned(#value)).__redlock_success()
    }}
}
