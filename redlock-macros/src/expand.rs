//! The expansion: a request made of the arguments, the body run under it, and what a failure returns.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::spanned::Spanned as _;
use syn::{Ident, Type};

use crate::attr::Args;
use crate::errors::Errors;
use crate::function::{Core, Form, Function};
use crate::params::Params;
use crate::tokens::at;
use crate::{body, hints, manifest, request, returns};

/// The attribute as a function over tokens, so that it can be looked at outside of the compiler.
pub(crate) fn attribute(args: TokenStream, item: &TokenStream) -> TokenStream {
    let mut function: Function = match syn::parse2(item.clone()) {
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
    let expanded = core.and_then(|core| {
        function.name_wildcards();
        let body = body(&args, &function, &core)?;
        Some(function.with_body(&core, &body))
    });
    expanded.unwrap_or_else(|| function.unchanged())
}

/// What can be told only with the function at hand.
fn check(args: &Args, function: &Function, core: Option<&Core>) -> syn::Result<()> {
    let mut errors = Errors::default();
    // Behind another attribute's rewriting the arguments have other names: the compiler checks then.
    let params = match core {
        Some(core) if matches!(core.form(), Form::AsyncTrait) => Params::unknown(),
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
        None => {
            let name = manifest::renamed().unwrap_or_else(|| "redlock".into());
            let name = Ident::new(&name, Span::call_site());
            quote!(::#name)
        }
    };
    // Not a lint's business, wherever the user wrote the path.
    let krate = &at(Span::call_site(), krate);
    let request = request::statements(args, function, core, krate)?;
    let body = body::statements(args, function, core, krate);
    let finish = returns::finish(args, function, core, krate);
    let hints = hints::statements(args, function, core);
    let tokens = quote!(#hints #request #body #finish);
    Some(tokens)
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
