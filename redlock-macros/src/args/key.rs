//! The key: a template whose parts cannot collide, or an expression that is taken as it is.

use proc_macro2::TokenStream;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, Ident, Lit, LitStr, Token};

use super::template::{Argument, Template};
use super::value::{Value, parse_expr};

/// `key = ...` or `key(...)`
pub(crate) enum Key {
    /// `key = "order:{user.id}"` or `key("order:{}", user.id())`
    Template(Template),
    /// `key = const "nightly"`: this text, for all arguments.
    Constant(LitStr),
    /// Any other expression.
    Verbatim(Expr),
}

impl Value for Key {}

impl Key {
    /// After `key`: `= "template"`, `= expression` or `("template", expressions...)`.
    pub(super) fn parse(name: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(Token![=]) && input.peek2(Token![const]) && input.peek3(LitStr) {
            input.parse::<Token![=]>()?;
            input.parse::<Token![const]>()?;
            return input.parse().map(Self::Constant);
        }
        if input.peek(syn::token::Paren) {
            return Self::parse_list(input);
        }
        match parse_expr(name, input)? {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => Template::new(&text, Vec::new()).map(Self::Template),
            other => Ok(Self::Verbatim(other)),
        }
    }

    /// `("template", expressions...)`
    fn parse_list(input: ParseStream<'_>) -> syn::Result<Self> {
        let content;
        syn::parenthesized!(content in input);
        if !content.peek(LitStr) {
            let error = content
                .error("`key(...)` begins with a template, as in `key(\"order:{}\", user.id())`");
            // Tokens that stay unparsed would be reported as a second error.
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
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    #[test]
    fn a_bad_template_is_an_error_with_a_remedy() {
        for (key, part) in [
            (quote!(= ""), "empty"),
            (quote!(= "a:{}"), "nothing to show"),
            (quote!(= "a:{user.id()}"), "behind the template"),
            (quote!(= "a:{user"), "not closed"),
            (quote!(= "a:}"), "without its `{`"),
            (quote!(= "{{a}}:{{b}}"), "one hash tag"),
            (quote!(= "a:{{}}"), "one hash tag"),
            (quote!(= "}}{{"), "one hash tag"),
            (quote!(("a:{}")), "nothing to show"),
            (quote!(("a:{}:{}", x)), "number 2"),
            (quote!(("a", x)), "no `{}`"),
            (quote!((x)), "begins with a template"),
        ] {
            let name = Ident::new("key", proc_macro2::Span::call_site());
            let parser = |input: ParseStream<'_>| Key::parse(&name, input);
            let parsed = syn::parse::Parser::parse2(parser, key.clone()).map(|_| ());
            let error = parsed.expect_err(&key.to_string()).to_string();
            assert!(error.contains(part), "{key}: {error}");
        }
    }
}
