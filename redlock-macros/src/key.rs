//! The key: a template whose parts cannot collide, or any expression, taken as it is.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote_spanned};
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Expr, ExprLit, Ident, Lit, LitStr, Token};

use crate::captures::names_in;
use crate::params::Params;
use crate::template::{Argument, Template};
use crate::tokens::here;
use crate::value::value;

/// What was given as `key = ...` or `key(...)`.
pub(crate) enum Key {
    /// `key = "order:{user.id}"` or `key("order:{}", user.id())`.
    Template(Template),
    /// `key = const "nightly"`: this text, for all arguments.
    Constant(LitStr),
    /// Any other expression.
    Verbatim(Expr),
}

impl Key {
    /// After `key`: `= "template"`, `= expression` or `("template", expressions...)`.
    pub(crate) fn parse(name: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(Token![=]) && input.peek2(Token![const]) && input.peek3(LitStr) {
            input.parse::<Token![=]>()?;
            input.parse::<Token![const]>()?;
            return input.parse().map(Self::Constant);
        }
        if !input.peek(syn::token::Paren) {
            return match value(name, input)? {
                Expr::Lit(ExprLit {
                    lit: Lit::Str(text),
                    ..
                }) => Template::new(&text, Vec::new()).map(Self::Template),
                other => Ok(Self::Verbatim(other)),
            };
        }
        let content;
        syn::parenthesized!(content in input);
        if !content.peek(LitStr) {
            let error =
                content.error("`key(...)` begins with a template: `key(\"order:{}\", user.id())`");
            // What is left unread would be an error of its own.
            content.parse::<TokenStream>()?;
            return Err(error);
        }
        let text: LitStr = content.parse()?;
        let mut values = Vec::new();
        if !content.is_empty() {
            content.parse::<Token![,]>()?;
            let given = Punctuated::<Argument, Token![,]>::parse_terminated_with(
                &content,
                Argument::parse,
            )?;
            values.extend(given);
        }
        Template::new(&text, values).map(Self::Template)
    }

    /// Names in the template that are no argument of the function.
    pub(crate) fn check(&self, function: &Ident, params: &Params) -> syn::Result<()> {
        match self {
            Self::Constant(_) | Self::Verbatim(_) => Ok(()),
            Self::Template(template) => template.check(function, params),
        }
    }

    /// The statements that put the key together in the variable `key`.
    pub(crate) fn statements(
        &self,
        key: &Ident,
        params: &Params,
        krate: &TokenStream,
    ) -> TokenStream {
        match self {
            Self::Constant(text) => quote_spanned!(here(text.span())=> #key.text(#text);),
            Self::Verbatim(expr) => {
                let constant = constant(expr, key, params);
                quote_spanned!(here(expr.span())=> #key.verbatim(&(#expr)); #constant)
            }
            Self::Template(template) => template.statements(key, krate),
        }
    }
}

/// The same text for all arguments, unless it is a template that nobody fills.
fn constant(expr: &Expr, key: &Ident, params: &Params) -> Option<TokenStream> {
    let mut names = BTreeSet::new();
    names_in(expr.to_token_stream(), &mut names);
    let arguments: Vec<_> = params.names().collect();
    let constant = !arguments.is_empty() && !arguments.iter().any(|name| names.contains(*name));
    constant.then(|| quote_spanned!(here(expr.span())=> #key.constant(&[#(#arguments),*]);))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that unwraps fails at its line")]
mod tests {
    use quote::quote;

    use super::*;

    fn shown(key: TokenStream) -> Result<String, String> {
        let name = Ident::new("key", proc_macro2::Span::call_site());
        let parser = |input: ParseStream<'_>| Key::parse(&name, input);
        syn::parse::Parser::parse2(parser, key)
            .map(|parsed| {
                let key = Ident::new("key", proc_macro2::Span::call_site());
                let statements = parsed.statements(&key, &Params::unknown(), &quote!(::redlock));
                statements.to_string().replace(' ', "")
            })
            .map_err(|error| error.to_string())
    }

    #[test]
    fn templates_become_statements() {
        assert_eq!(
            shown(quote!(= "nightly")).unwrap(),
            r#"key.text("nightly");"#
        );
        assert_eq!(
            shown(quote!(= "{{tag}}:x")).unwrap(),
            r#"key.text("{tag}:x");"#
        );
        assert_eq!(
            shown(quote!(= "a{{{user.id}}}:{pair.0:>04}")).unwrap(),
            r#"key.text("a{");key.part(&user.id);key.text("}:");key.part(::core::format_args!("{:>04}",pair.0));"#
        );
        assert_eq!(
            shown(quote!(= keys::of(&user))).unwrap(),
            "key.verbatim(&(keys::of(&user)));"
        );
    }

    #[test]
    fn each_expression_is_evaluated_once_and_in_order() {
        assert_eq!(
            shown(quote!(("o:{}:{b}:{0:x}:{c}", f() as u8, b = g()))).unwrap(),
            "letpart0=match&(f()asu8){value=>(::redlock::__private::Part::new(value),\
             ::redlock::__private::Part::new(::core::format_args!(\"{:x}\",value)),)};\
             letpart1=match&(g()){value=>(::redlock::__private::Part::new(value),)};\
             key.text(\"o:\");key.rendered(&part0.0);key.text(\":\");key.rendered(&part1.0);key.text(\":\");\
             key.rendered(&part0.1);key.text(\":\");key.part(&c);"
        );
    }

    #[test]
    fn bad_templates_say_what_to_write() {
        for (key, part) in [
            (quote!(= ""), "empty"),
            (quote!(= "a:{}"), "names nothing"),
            (quote!(= "a:{user.id()}"), "behind the template"),
            (quote!(= "a:{user"), "not closed"),
            (quote!(= "a:}"), "without its `{`"),
            (quote!(= "{{a}}:{{b}}"), "one hash tag"),
            (quote!(= "a:{{}}"), "one hash tag"),
            (quote!(= "}}{{"), "one hash tag"),
            (quote!(("a:{}")), "names nothing"),
            (quote!(("a:{}:{}", x)), "number 2"),
            (quote!(("a", x)), "no `{}`"),
            (quote!((x)), "begins with a template"),
        ] {
            let error = shown(key.clone()).expect_err(&key.to_string());
            assert!(error.contains(part), "{key}: {error}");
        }
    }
}
