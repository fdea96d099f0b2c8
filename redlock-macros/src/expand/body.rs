//! The user's statements as a future that owns the arguments, and the call that runs it under the lock.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Type;

use super::owned::{Argument, Owned};
use super::source::Source;
use crate::args::is_on;
use crate::item::without_impl;
use crate::names::rename_self;
use crate::spans::{here, local, local_at};

/// How the call runs the body.
struct Run {
    /// The method of the call.
    method: TokenStream,
    /// The body as it takes it: a future, or a closure from the held lock to one.
    body: TokenStream,
    /// The function that gives `success` the type of the body's output.
    success: TokenStream,
}

/// `let body = async move { ... }; call.run(body).await`
pub(super) fn statements(source: &Source<'_>) -> TokenStream {
    let (call, body) = (local("call"), local("body"));
    let Run {
        method,
        body: value,
        success,
    } = run(source);
    let dedupe = source.args.options.dedupe_for.as_ref().map(|_| {
        let (window, krate) = (local("window"), &source.krate);
        let predicate = match &source.args.options.success {
            None => default_success(source),
            Some(given) => rename_self(quote!(#given), source.body.receiver.as_ref()),
        };
        quote! {
            let #call = #call.dedupe_for(#window, #krate::__private::#success(&#body, #predicate));
        }
    });
    quote! {
        let #body = #value;
        #dedupe
        #call.#method(#body).await
    }
}

fn run(source: &Source<'_>) -> Run {
    let (options, krate) = (&source.args.options, &source.krate);
    let block = block(source);
    // Write out the argument types of the closures: they are checked before their caller is known.
    let may_be_unlocked = is_on(&options.fail_open) || options.condition.is_some();
    match (&options.guard, may_be_unlocked) {
        (None, false) => Run {
            method: quote!(run),
            body: block,
            success: quote!(success),
        },
        (Some(guard), false) => Run {
            method: quote!(run_with),
            body: quote!(move |#guard: #krate::Held| #block),
            success: quote!(success_with),
        },
        (guard, true) => {
            let guard = guard
                .as_ref()
                .map_or_else(|| quote!(_), |guard| quote!(#guard));
            Run {
                method: quote!(run_open),
                body: quote!(move |#guard: ::core::option::Option<#krate::Held>| #block),
                success: quote!(success_with),
            }
        }
    }
}

/// `async move { the user's statements }`
fn block(source: &Source<'_>) -> TokenStream {
    let statements = &source.body.statements;
    let output = without_impl(&source.body.output);
    let span = source.body.output_span(source.function);
    let value = local_at("value", span);
    let Owned { arguments, unused } = Owned::of(source.args, source.function, source.body);
    let owned = own(&arguments);
    // The compiler reports these closure arguments as unused, at the user's arguments and in the usual words.
    let unused = (!unused.is_empty()).then(|| quote!(let _ = |#(#unused: ()),*| {};));
    // Never taken. It gives the block its type before the first `?` or `return`, so that a value of a wrong type is reported
    // where the user wrote it.
    let typed = quote_spanned! {here(span)=>
        if let ::core::option::Option::Some(#value) = ::core::option::Option::None::<#output> {
            return #value;
        }
    };
    quote!(async move { #typed #owned #unused #statements })
}

/// Mentions the arguments, so that the block owns them and drops them under the lock, in the order of any function.
///
/// An argument with a `#[cfg]` is mentioned in a statement with the same `#[cfg]`.
fn own(arguments: &[Argument]) -> TokenStream {
    let always = |argument: &Argument| argument.cfg.is_empty();
    arguments
        .chunk_by(|a, b| always(a) && always(b))
        .map(|chunk| {
            let names = chunk.iter().map(|argument| &argument.name);
            let cfg = chunk.iter().flat_map(|argument| &argument.cfg);
            let underscore = |argument: &Argument| argument.name.to_string().starts_with('_');
            let allow = chunk
                .iter()
                .any(underscore)
                .then(|| quote!(#[allow(clippy::used_underscore_binding)]));
            quote!(#(#cfg)* #allow let _ = (#(&#names,)*);)
        })
        .collect()
}

/// `success` where it is not given: `Ok`, what an `Outcome` says, or any value of another type.
fn default_success(source: &Source<'_>) -> TokenStream {
    let krate = &source.krate;
    let value = local("value");
    let typed = match without_impl(&source.body.output) {
        Type::Infer(_) => quote!(#value),
        output => quote!(#value: &#output),
    };
    let span = here(source.body.output_span(source.function));
    quote_spanned! {span=> |#typed| {
        #[allow(unused_imports)]
        use #krate::__private::{
            AnySuccess as _, PlainOutcome as _, PlainSuccess as _, ResultOfAny as _, ResultOfOutcome as _,
        };
        (&&&&&#krate::__private::Returned(#value)).__redlock_success()
    }}
}
