//! The attribute as a whole: parse the arguments, parse the function, check, expand.

use proc_macro2::TokenStream;
use quote::quote;

use crate::args::Args;
use crate::check::check;
use crate::errors::Errors;
use crate::expand::expand;
use crate::item::{Body, Function};

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
    let expanded = body.and_then(|body| expand(&args, &mut function, &body));
    expanded.unwrap_or_else(|| function.unchanged())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that unwraps fails at its line")]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_shows_the_real_expansion() {
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

    /// A format string names `r#type` as `type`. Otherwise the compiler would report the arguments as unused.
    #[test]
    fn an_argument_with_a_raw_name_is_used_by_a_template_and_by_a_format_string() {
        let item = quote!(
            async fn f(r#type: String, r#match: String) -> Result<(), E> {
                println!("{match}");
                Ok(())
            }
        );
        let expanded = attribute(quote!(key = "{r#type}", ttl = "10s"), &item).to_string();
        assert!(!expanded.contains("| r#"), "{expanded}");
        let unused = attribute(quote!(key = "x", ttl = "10s"), &item).to_string();
        assert!(unused.contains("| r#type : ()"), "{unused}");
    }

    /// Not in the tests outside: `unsafe` is forbidden there.
    #[test]
    fn an_unsafe_function_stays_unsafe() {
        let item = quote!(
            pub async unsafe fn f() -> Result<(), E> {
                Ok(())
            }
        );
        let expanded = attribute(quote!(key = "x", ttl = "10s"), &item).to_string();
        assert!(expanded.starts_with("pub async unsafe fn f"), "{expanded}");
    }
}
