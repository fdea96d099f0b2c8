//! The expansion: a request made of the arguments, the body run under it, and what a failure returns.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Ident, Type};

use crate::attr::{Args, OnLost};
use crate::errors::Errors;
use crate::function::{Core, Function};
use crate::params::Params;
use crate::tokens::{at, here, rename_self, without_impl};

/// The attribute as a function over tokens, so that it can be looked at outside of the compiler.
pub(crate) fn attribute(args: TokenStream, item: &TokenStream) -> TokenStream {
    let function: Function = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            let error = not_a_function(item).unwrap_or(error).into_compile_error();
            return quote!(#item #error);
        }
    };
    let (args, checked) = Args::parse(args);
    let mut errors = Errors::default();
    errors.extend(checked);
    let core = match function.core() {
        Ok(core) => Some(core),
        Err(error) => {
            errors.push(error);
            None
        }
    };
    errors.extend(check(&args, &function, core.as_ref()));
    if let Err(error) = errors.finish() {
        let (item, error) = (function.unchanged(), error.into_compile_error());
        return quote!(#item #error);
    }
    match core
        .and_then(|core| body(&args, &function, &core).map(|body| function.with_body(&core, &body)))
    {
        Some(item) => item,
        None => function.unchanged(),
    }
}

/// What can be told only with the function at hand.
fn check(args: &Args, function: &Function, core: Option<&Core>) -> syn::Result<()> {
    let mut errors = Errors::default();
    // Behind another attribute's rewriting the arguments have other names: the compiler checks then.
    let params = match core {
        Some(core) if !core.before.is_empty() => Params::unknown(),
        _ => Params::of(&function.sig),
    };
    if let Some(key) = &args.key {
        errors.extend(key.check(&function.sig.ident, &params));
    }
    if let Some(never) = core
        .map(|core| &core.output)
        .filter(|ty| matches!(ty, Type::Never(_)))
    {
        errors.push(syn::Error::new(
            never.span(),
            "a function that never returns cannot say that its lock was refused or lost; \
             return `Result<Infallible, E>`",
        ));
    }
    errors.finish()
}

/// The new statements of the function. `None` only where an argument is missing, which was reported.
fn body(args: &Args, function: &Function, core: &Core) -> Option<TokenStream> {
    let krate = match &args.krate {
        Some(path) => quote!(#path),
        None => quote!(::redlock),
    };
    // Not a lint's business, wherever the user wrote the path.
    let krate = &at(Span::call_site(), krate);
    // Resolved here, so that no name of the user's can meet it.
    let call = Ident::new("call", Span::mixed_site());
    let request = request(args, function, core, krate)?;
    let request = match &core.receiver {
        Some(receiver) => rename_self(request, receiver),
        None => request,
    };
    let run = run(args, function, core);
    let finish = finish(args, function, core, krate);
    let finish = match &core.receiver {
        Some(receiver) => rename_self(finish, receiver),
        None => finish,
    };
    Some(quote! {
        let #call = #request;
        #call #run .await #finish
    })
}

/// `Call::new("f", key, ttl)` and its options.
fn request(
    args: &Args,
    function: &Function,
    core: &Core,
    krate: &TokenStream,
) -> Option<TokenStream> {
    let name = function.sig.ident.to_string();
    let key = args.key.as_ref()?.tokens(krate);
    let ttl = args.ttl.as_ref()?;
    let mut request = quote!(#krate::__private::Call::new(#name, #key, #ttl));
    let mut option = |tokens: TokenStream| request.extend(tokens);
    if let Some(lock) = &args.lock {
        option(quote_spanned!(here(lock.span())=> .on(&#lock)));
    }
    if let Some(fire) = &args.fire {
        let span = here(fire.span());
        let value = Ident::new("fire", Span::mixed_site().located_at(fire.span()));
        option(quote_spanned! {span=> .fire({
            #[allow(unused_imports)]
            use #krate::__private::{FireByName as _, FireByTime as _};
            let #value = #fire;
            (&#value).__redlock_fire().name(#value)
        })});
    }
    if args.refuse || (args.skip_busy && args.wait.is_none() && args.fire.is_none()) {
        option(quote!(.refuse()));
    }
    for (name, time) in [
        ("wait", &args.wait),
        ("at_least", &args.at_least),
        ("max_hold", &args.max_hold),
    ] {
        if let Some(time) = time {
            let name = Ident::new(name, Span::call_site());
            option(quote!(.#name(#time)));
        }
    }
    if let Some(window) = &args.dedupe_for {
        let success = success(core, krate);
        option(quote!(.dedupe_for(#window, #success)));
    }
    if args.extend == Some(false) {
        option(quote!(.no_extension()));
    }
    if args.on_lost == OnLost::Signal {
        option(quote!(.signal_lost()));
    }
    if args.reentrant {
        option(quote!(.reentrant()));
    }
    if let Some(condition) = &args.condition {
        option(quote_spanned!(here(condition.span())=> .only_if(#condition)));
    }
    if args.fail_open {
        option(quote!(.fail_open()));
    }
    Some(request)
}

/// Whether a value of the body is a success: `Ok`, or anything that is no `Result`.
fn success(core: &Core, krate: &TokenStream) -> TokenStream {
    let output = without_impl(&core.output);
    if matches!(output, Type::Infer(_)) {
        return quote!(|_| true);
    }
    let value = Ident::new("value", Span::mixed_site());
    quote! {|#value: &#output| {
        #[allow(unused_imports)]
        use #krate::__private::{AnySuccess as _, ResultSuccess as _};
        #value.__redlock_success()
    }}
}

/// `.run(async move { the user's body })`
fn run(args: &Args, function: &Function, core: &Core) -> TokenStream {
    let statements = &core.statements;
    let output = without_impl(&core.output);
    let span = output_span(function, core);
    let value = Ident::new("value", Span::mixed_site().located_at(span));
    // Never taken; it tells the type of the block before its first `?` or `return`, and so a wrong
    // one is reported where the user wrote it.
    let edge = quote_spanned! {here(span)=>
        if let ::core::option::Option::Some(#value) = ::core::option::Option::None::<#output> {
            return #value;
        }
    };
    let block = quote!(async move { #edge #statements });
    let open = args.fail_open || args.condition.is_some();
    match (&args.guard, open) {
        (None, false) => quote!(.run(#block)),
        (Some(guard), false) => quote!(.run_with(move |#guard| #block)),
        (Some(guard), true) => quote!(.run_open(move |#guard| #block)),
        (None, true) => quote!(.run_open(move |_| #block)),
    }
}

/// What is returned where the lock was refused, not to be had, or lost.
fn finish(args: &Args, function: &Function, core: &Core, krate: &TokenStream) -> TokenStream {
    let span = here(output_span(function, core));
    let krate = at(span, krate.clone());
    // A closure, since a bare path would have its bounds checked, and reported, twice.
    let error = Ident::new("error", Span::mixed_site().located_at(span));
    match (args.skip_busy, &args.on_error) {
        (false, None) => quote_spanned! {span=>
            .unwrap_or_else(|#error| #krate::__private::FromLockError::from_lock_error(#error))
        },
        (true, None) => {
            quote_spanned!(span=> .unwrap_or_else(|#error| #krate::__private::skip(#error)))
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
fn output_span(function: &Function, core: &Core) -> Span {
    match &function.sig.output {
        syn::ReturnType::Default => function.sig.ident.span(),
        syn::ReturnType::Type(..) => core.output.span(),
    }
}

/// A word on the usual mistakes: the attribute on a whole impl block, a trait, a struct.
fn not_a_function(item: &TokenStream) -> Option<syn::Error> {
    let item: syn::Item = syn::parse2(item.clone()).ok()?;
    let what = match &item {
        syn::Item::Impl(_) => "an `impl` block; put it on the methods that are to be locked",
        syn::Item::Trait(_) => "a trait; put it on the methods of its implementations",
        syn::Item::Fn(_) | syn::Item::Verbatim(_) => return None,
        _ => "this; it stands on an `async fn`",
    };
    Some(syn::Error::new(
        Span::call_site(),
        format!("`#[redlock]` cannot stand on {what}"),
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that unwraps fails at its line")]
mod tests {
    use super::*;

    /// The docs show the expansion of an example: it is this one.
    #[test]
    fn the_expansion_in_the_docs_is_the_expansion() {
        let docs = include_str!("../docs/expansion.md");
        let blocks: Vec<_> = docs.split("```").skip(1).step_by(2).collect();
        let [source, shown] = blocks[..] else {
            panic!("two code blocks: {docs}")
        };
        let code = |block: &str| block.trim_start_matches("ignore").trim().to_owned();

        let mut function: syn::ItemFn = syn::parse_str(&code(source)).unwrap();
        let args = function
            .attrs
            .remove(0)
            .meta
            .require_list()
            .unwrap()
            .tokens
            .clone();
        let expanded = attribute(args, &quote!(#function));
        let file: syn::File = syn::parse2(expanded).unwrap();
        let pretty = prettyplease::unparse(&file);
        // Lines may be broken elsewhere, which is all that a comma before a bracket can tell.
        let plain = |text: &str| {
            text.split_whitespace()
                .collect::<String>()
                .replace(",>", ">")
                .replace(",)", ")")
        };
        assert_eq!(
            plain(&pretty),
            plain(&code(shown)),
            "the expansion is now:\n{pretty}"
        );
    }

    /// Whatever stands in the brackets, the function is there afterwards.
    #[test]
    fn the_item_survives_any_arguments() {
        let item = quote!(async fn f(id: u8) -> Result<(), E> { let = broken +; } );
        for args in [
            "",
            "key",
            "key =",
            "= = =",
            "key = \"{}\", ttl = \"x\"",
            "a b c",
            "ttl = 1 + , key",
            ", ,",
            "(((",
        ] {
            let Ok(args) = args.parse::<TokenStream>() else {
                continue;
            };
            let expanded = attribute(args.clone(), &item).to_string();
            assert!(
                expanded.contains("async fn f (id : u8)"),
                "{args}: {expanded}"
            );
            assert!(expanded.contains("compile_error"), "{args}: {expanded}");
        }
    }
}
