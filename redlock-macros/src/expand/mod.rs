//! The expansion: statements that build a request from the options, run the body under the lock, and return the error where
//! that fails.

mod body;
mod crate_path;
mod failure;
mod hints;
mod key;
mod owned;
mod request;
mod wildcards;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Ident;

use crate::args::Args;
use crate::check::check;
use crate::errors::Errors;
use crate::item::{Body, Function};
use crate::spans::at;

/// What the parts of the expansion are made from.
struct Source<'a> {
    args: &'a Args,
    function: &'a Function,
    body: &'a Body,
    /// The path of the crate.
    krate: TokenStream,
}

/// The attribute as a function of token streams, which unit tests can call.
///
/// Whatever is wrong, the user's item is part of the result, so that editors keep working.
pub(crate) fn attribute(args: TokenStream, item: &TokenStream) -> TokenStream {
    let mut function = match Function::parse_item(item) {
        Ok(function) => function,
        Err(error) => {
            let error = error.into_compile_error();
            return quote!(#item #error);
        }
    };
    let mut errors = Errors::default();
    let args = Args::parse(args, &mut errors);
    let body = errors.ok(Body::find(&function));
    check(&args, &function, body.as_ref(), &mut errors);
    if let Err(error) = errors.finish() {
        let (item, error) = (function.unchanged(), error.into_compile_error());
        return quote!(#item #error);
    }
    let expanded = body.and_then(|body| {
        wildcards::name(&mut function);
        let statements = statements(&args, &function, &body)?;
        Some(function.with_statements(&body.replace(&statements)))
    });
    expanded.unwrap_or_else(|| function.unchanged())
}

/// The new statements of the function. `None` only where a required option is missing, which was reported.
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
    // Tokens of the expansion, so that no lint reports the user's path where we use it.
    at(Span::call_site(), path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that unwraps fails at its line")]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_shows_the_real_expansion() {
        let docs = include_str!("../../docs/expansion.md");
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
        // Line breaks may differ, and with them trailing commas.
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

    #[test]
    fn the_item_is_re_emitted_whatever_the_arguments_are() {
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
