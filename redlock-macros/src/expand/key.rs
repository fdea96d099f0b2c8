//! The statements that build the key.

use std::collections::BTreeSet;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, Ident, Index, LitStr};

use crate::args::{Key, Piece, Source, Template};
use crate::item::Params;
use crate::names::names_in;
use crate::spans::{here, local, local_at};

/// Appends the parts of the key to the variable `key`.
pub(super) fn statements(
    given: &Key,
    key: &Ident,
    params: &Params,
    krate: &TokenStream,
) -> TokenStream {
    match given {
        Key::Constant(text) => quote_spanned!(here(text.span())=> #key.text(#text);),
        Key::Verbatim(expr) => {
            let constant = constant(expr, key, params);
            quote_spanned!(here(expr.span())=> #key.verbatim(&(#expr)); #constant)
        }
        Key::Template(template) => {
            let parts = parts(template, krate);
            let appends = appends(template, key);
            quote!(#parts #appends)
        }
    }
}

/// An expression that uses no argument is the same for all calls: the call checks that its text is no template.
fn constant(expr: &Expr, key: &Ident, params: &Params) -> Option<TokenStream> {
    let mut names = BTreeSet::new();
    names_in(expr.to_token_stream(), &mut names);
    let arguments: Vec<_> = params.names().collect();
    let is_used = |name: &&str| names.contains(name.strip_prefix("r#").unwrap_or(name));
    let constant = !arguments.is_empty() && !arguments.iter().any(is_used);
    constant.then(|| quote_spanned!(here(expr.span())=> #key.constant(&[#(#arguments),*]);))
}

/// Evaluates the expressions behind the template, once and in the order of the source. Each is rendered before the next one
/// may await.
fn parts(template: &Template, krate: &TokenStream) -> TokenStream {
    let mut statements = TokenStream::new();
    for (number, argument) in template.arguments.iter().enumerate() {
        let (part, expr) = (part(number), &argument.value);
        let value = local_at("value", expr.span());
        let renderings = formats(template, number).map(|format| {
            let value = formatted(&value.to_token_stream(), format, template.span);
            quote!(#krate::__private::Part::new(#value))
        });
        statements.extend(quote_spanned! {here(expr.span())=>
            let #part = match &(#expr) { #value => (#(#renderings,)*) };
        });
    }
    statements
}

/// Appends text, arguments and rendered expressions, in the order of the template.
fn appends(template: &Template, key: &Ident) -> TokenStream {
    let span = template.span;
    let mut rendered = vec![0; template.arguments.len()];
    let mut statements = TokenStream::new();
    for piece in &template.pieces {
        statements.extend(match piece {
            Piece::Text(text) => {
                let text = LitStr::new(text, span);
                quote!(#key.text(#text);)
            }
            Piece::Value {
                source: Source::Field(path),
                format,
            } => append(key, &quote_spanned!(span=> #(#path).*), format, span),
            Piece::Value {
                source: Source::Constant(path),
                format,
            } => append(key, &path.to_token_stream(), format, span),
            Piece::Value {
                source: Source::Argument(number),
                ..
            } => {
                let (part, rendering) = (part(*number), Index::from(rendered[*number]));
                rendered[*number] += 1;
                quote!(#key.rendered(&#part.#rendering);)
            }
        });
    }
    statements
}

fn append(key: &Ident, value: &TokenStream, format: &str, span: Span) -> TokenStream {
    let value = match format {
        "" => quote_spanned!(span=> &#value),
        format => formatted(value, format, span),
    };
    quote_spanned!(span=> #key.part(#value);)
}

/// The variable that holds the renderings of an expression.
fn part(number: usize) -> Ident {
    local(&format!("part{number}"))
}

/// The formats in which an expression is part of the key, in their order.
fn formats(template: &Template, number: usize) -> impl Iterator<Item = &str> {
    template.pieces.iter().filter_map(move |piece| match piece {
        Piece::Value {
            source: Source::Argument(of),
            format,
        } if *of == number => Some(&**format),
        _ => None,
    })
}

fn formatted(value: &TokenStream, format: &str, span: Span) -> TokenStream {
    if format.is_empty() {
        return value.clone();
    }
    let format = LitStr::new(&format!("{{:{format}}}"), span);
    quote_spanned!(span=> ::core::format_args!(#format, #value))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that unwraps fails at its line")]
mod tests {
    use syn::parse_quote;

    use super::*;
    use crate::args::Args;
    use crate::errors::Errors;
    use crate::item::Function;

    fn shown(option: TokenStream) -> String {
        let mut errors = Errors::default();
        let args = Args::parse(option, &mut errors);
        errors.finish().unwrap();
        let function: Function = parse_quote!(
            async fn f() {}
        );
        let params = Params::of(&function, None);
        let key = args.options.key.unwrap();
        let statements = statements(&key, &local("key"), &params, &quote!(::redlock));
        statements.to_string().replace(' ', "")
    }

    #[test]
    fn a_template_becomes_statements() {
        assert_eq!(shown(quote!(key = "nightly")), r#"key.text("nightly");"#);
        assert_eq!(shown(quote!(key = "{{tag}}:x")), r#"key.text("{tag}:x");"#);
        assert_eq!(
            shown(quote!(key = "a{{{user.id}}}:{pair.0:>04}")),
            r#"key.text("a{");key.part(&user.id);key.text("}:");key.part(::core::format_args!("{:>04}",pair.0));"#
        );
        assert_eq!(
            shown(quote!(key = keys::of(&user))),
            "key.verbatim(&(keys::of(&user)));"
        );
    }

    #[test]
    fn each_expression_is_evaluated_once_and_in_order() {
        assert_eq!(
            shown(quote!(key("o:{}:{b}:{0:x}:{c}", f() as u8, b = g()))),
            "letpart0=match&(f()asu8){value=>(::redlock::__private::Part::new(value),\
             ::redlock::__private::Part::new(::core::format_args!(\"{:x}\",value)),)};\
             letpart1=match&(g()){value=>(::redlock::__private::Part::new(value),)};\
             key.text(\"o:\");key.rendered(&part0.0);key.text(\":\");key.rendered(&part1.0);key.text(\":\");\
             key.rendered(&part0.1);key.text(\":\");key.part(&c);"
        );
    }
}
