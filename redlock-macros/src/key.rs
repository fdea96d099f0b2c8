//! The key: a template whose parts cannot collide, or any expression, taken as it is.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Expr, ExprLit, Ident, Index, Lit, LitStr, Member, Token};

use crate::params::Params;
use crate::peel;

/// What was given as `key = ...` or `key(...)`.
pub(crate) enum Key {
    /// `key = "order:{user.id}"` or `key("order:{}", user.id())`.
    Template(Template),
    /// Any other expression.
    Verbatim(Expr),
}

pub(crate) struct Template {
    span: Span,
    pieces: Vec<Piece>,
}

enum Piece {
    Text(String),
    Value { value: Value, spec: String },
}

enum Value {
    /// An argument of the function, or a field within it.
    Path(Vec<Member>),
    /// An expression that `key(...)` was given.
    Expr(Expr),
}

impl Key {
    /// After `key`: `= "template"`, `= expression` or `("template", expressions...)`.
    pub(crate) fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek(syn::token::Paren) {
            input.parse::<Token![=]>()?;
            return match peel(input.parse()?) {
                Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
                    Template::new(&text, Vec::new()).map(Self::Template)
                }
                other => Ok(Self::Verbatim(other)),
            };
        }
        let content;
        syn::parenthesized!(content in input);
        if !content.peek(LitStr) {
            let error = content.error("`key(...)` begins with a template: `key(\"order:{}\", user.id())`");
            // What is left unread would be an error of its own.
            content.parse::<TokenStream>()?;
            return Err(error);
        }
        let text: LitStr = content.parse()?;
        let mut values = Vec::new();
        if !content.is_empty() {
            content.parse::<Token![,]>()?;
            let given = Punctuated::<Argument, Token![,]>::parse_terminated_with(&content, Argument::parse)?;
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

/// `user.id()` or `id = user.id()` in `key("...", ...)`.
struct Argument {
    name: Option<Ident>,
    value: Expr,
    used: bool,
}

impl Argument {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let named = input.peek(Ident::peek_any) && input.peek2(Token![=]) && !input.peek2(Token![==]);
        let name = if named {
            let name = input.call(Ident::parse_any)?;
            input.parse::<Token![=]>()?;
            Some(name)
        } else {
            None
        };
        Ok(Self { name, value: input.parse()?, used: false })
    }
}

impl Template {
    fn new(literal: &LitStr, mut arguments: Vec<Argument>) -> syn::Result<Self> {
        let span = literal.span();
        let text = literal.value();
        let error = |message: String| syn::Error::new(span, message);
        if text.is_empty() {
            return Err(error("the key is empty; name what is locked, for example \"order:{order_id}\"".into()));
        }
        let mut pieces = Vec::new();
        let mut next = 0;
        for chunk in tokenize(&text).map_err(error)? {
            match chunk {
                Chunk::Text(text) => pieces.push(Piece::Text(text)),
                Chunk::Hole { name, spec } => {
                    let value = resolve(&name, &mut next, &mut arguments, span)?;
                    pieces.push(Piece::Value { value, spec });
                }
            }
        }
        if let Some(unused) = arguments.iter().find(|argument| !argument.used) {
            return Err(syn::Error::new(
                unused.value.span(),
                "the template has no `{}` for this; each expression has to be part of the key",
            ));
        }
        if let Some(Piece::Text(text)) = pieces.last() {
            for suffix in [":fence", ":waiters"] {
                if text.ends_with(suffix) {
                    return Err(error(format!("a key cannot end in `{suffix}`: redlock keeps its own data there")));
                }
            }
        }
        Ok(Self { span, pieces })
    }

    fn check(&self, function: &Ident, params: &Params) -> syn::Result<()> {
        for piece in &self.pieces {
            if let Piece::Value { value: Value::Path(path), .. } = piece
                && let Some(Member::Named(root)) = path.first()
            {
                params.check(root, function)?;
            }
        }
        Ok(())
    }

    fn tokens(&self, krate: &TokenStream) -> TokenStream {
        let mut format = String::new();
        let mut parts = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => format.push_str(&text.replace('{', "{{").replace('}', "}}")),
                Piece::Value { value, spec } => {
                    format.push_str("{}");
                    parts.push(part(value, spec, self.span, krate));
                }
            }
        }
        if parts.is_empty() {
            let text: String = self.pieces.iter().map(Piece::text).collect();
            return LitStr::new(&text, self.span).into_token_stream();
        }
        let format = LitStr::new(&format, self.span);
        quote!(::core::format_args!(#format, #(#parts),*))
    }
}

impl Piece {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Value { .. } => "",
        }
    }
}

/// One interpolation, encoded so that it cannot reach into its neighbours.
fn part(value: &Value, spec: &str, span: Span, krate: &TokenStream) -> TokenStream {
    let value = match value {
        Value::Path(path) => quote_spanned!(span=> #(#path).*),
        Value::Expr(expr) => expr.to_token_stream(),
    };
    if spec.is_empty() {
        return quote_spanned!(span=> #krate::key::part(&#value));
    }
    let format = LitStr::new(&format!("{{:{spec}}}"), span);
    quote_spanned!(span=> #krate::key::part(::core::format_args!(#format, #value)))
}

enum Chunk {
    Text(String),
    Hole { name: String, spec: String },
}

/// Cuts a template into text and holes; `{{` and `}}` stand for braces.
fn tokenize(text: &str) -> Result<Vec<Chunk>, String> {
    let mut chunks = Vec::new();
    let mut plain = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' if chars.peek() == Some(&c) => {
                chars.next();
                plain.push(c);
            }
            '{' => {
                let mut hole = String::new();
                loop {
                    match chars.next() {
                        Some('}') => break,
                        Some('{') | None => {
                            return Err(format!("`{{{hole}` is not closed; write `}}`, or `{{{{` for a brace"));
                        }
                        Some(c) => hole.push(c),
                    }
                }
                if !plain.is_empty() {
                    chunks.push(Chunk::Text(std::mem::take(&mut plain)));
                }
                let (name, spec) = hole.split_once(':').unwrap_or((&hole, ""));
                chunks.push(Chunk::Hole { name: name.trim().into(), spec: spec.into() });
            }
            '}' => return Err("a `}` without its `{`; write `}}` for a brace".into()),
            c => plain.push(c),
        }
    }
    if !plain.is_empty() {
        chunks.push(Chunk::Text(plain));
    }
    Ok(chunks)
}

/// What a hole stands for: the next expression, a numbered or named one, or an argument's field.
fn resolve(name: &str, next: &mut usize, arguments: &mut [Argument], span: Span) -> syn::Result<Value> {
    let positional = arguments.iter().take_while(|argument| argument.name.is_none()).count();
    let index = if name.is_empty() {
        if positional == 0 {
            return Err(syn::Error::new(
                span,
                "`{}` names nothing; write an argument as in \"order:{order_id}\", \
                 or give the expression as in `key(\"order:{}\", user.id())`",
            ));
        }
        *next += 1;
        *next - 1
    } else if let Ok(index) = name.parse::<usize>() {
        index
    } else {
        if let Some(argument) =
            arguments.iter_mut().find(|a| a.name.as_ref().is_some_and(|given| given == name))
        {
            argument.used = true;
            return Ok(Value::Expr(argument.value.clone()));
        }
        return path(name, span).map(Value::Path);
    };
    match arguments.get_mut(index).filter(|argument| argument.name.is_none()) {
        Some(argument) => {
            argument.used = true;
            Ok(Value::Expr(argument.value.clone()))
        }
        None => Err(syn::Error::new(
            span,
            format!("`{{{name}}}` asks for expression number {} behind the template, and there are {positional}", index + 1),
        )),
    }
}

/// `user.id` or `pair.0`; anything more is an expression.
fn path(text: &str, span: Span) -> syn::Result<Vec<Member>> {
    let not_a_path = || {
        syn::Error::new(
            span,
            format!(
                "`{{{text}}}` is neither an argument nor a field of one; \
                 write the expression behind the template: `key(\"...{{}}...\", {text})`"
            ),
        )
    };
    text.split('.')
        .enumerate()
        .map(|(position, segment)| {
            if position > 0
                && let Ok(index) = segment.parse::<u32>()
            {
                return Ok(Member::Unnamed(Index { index, span }));
            }
            if position == 0 && segment == "self" {
                return Ok(Member::Named(Ident::new("self", span)));
            }
            let mut ident: Ident = syn::parse_str(segment).map_err(|_| not_a_path())?;
            ident.set_span(span);
            Ok(Member::Named(ident))
        })
        .collect()
}

#[cfg(test)]
mod tests {
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
        assert_eq!(shown(quote!(= keys::of(&user))).unwrap(), "&keys::of(&user)");
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
