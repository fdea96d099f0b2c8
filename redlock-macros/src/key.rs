//! The key: a template whose parts cannot collide, or any expression, taken as it is.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Expr, ExprLit, Ident, Lit, LitStr, Token};

use crate::params::Params;
use crate::peel;
use crate::template::{Argument, Template};

/// What was given as `key = ...` or `key(...)`.
pub(crate) enum Key {
    /// `key = "order:{user.id}"` or `key("order:{}", user.id())`.
    Template(Template),
    /// Any other expression.
    Verbatim(Expr),
}

impl Key {
    /// After `key`: `= "template"`, `= expression` or `("template", expressions...)`.
    pub(crate) fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek(syn::token::Paren) {
            input.parse::<Token![=]>()?;
            return match peel(input.parse()?) {
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
            Self::Verbatim(_) => Ok(()),
            Self::Template(template) => template.check(function, params),
        }
    }

    /// An expression that implements `Display`.
    pub(crate) fn tokens(&self, krate: &TokenStream) -> TokenStream {
        match self {
            Self::Verbatim(expr) => quote_spanned!(expr.span()=> &#expr),
            Self::Template(template) => template.tokens(krate),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that unwraps fails at its line")]
mod tests {
    use quote::quote;

    use super::*;

    fn shown(key: TokenStream) -> Result<String, String> {
        let parser = |input: ParseStream<'_>| Key::parse(input);
        syn::parse::Parser::parse2(parser, key)
            .map(|key| key.tokens(&quote!(::redlock)).to_string().replace(' ', ""))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn templates_become_encoded_parts() {
        assert_eq!(shown(quote!(= "nightly")).unwrap(), r#""nightly""#);
        assert_eq!(shown(quote!(= "{{tag}}:x")).unwrap(), r#""{tag}:x""#);
        assert_eq!(
            shown(quote!(= "a{{{user.id}}}:{pair.0:>04}")).unwrap(),
            r#"::core::format_args!("a{{{}}}:{}",::redlock::key::part(&user.id),::redlock::key::part(::core::format_args!("{:>04}",pair.0)))"#
        );
        assert_eq!(
            shown(quote!(("o:{}:{b}:{0}:{c}", f(), b = g()))).unwrap(),
            r#"::core::format_args!("o:{}:{}:{}:{}",::redlock::key::part(&f()),::redlock::key::part(&g()),::redlock::key::part(&f()),::redlock::key::part(&c))"#
        );
        assert_eq!(
            shown(quote!(= keys::of(&user))).unwrap(),
            "&keys::of(&user)"
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
            (quote!(= "a:fence"), "cannot end"),
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
