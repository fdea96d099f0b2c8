//! A key template: text, holes, and what fills them.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::spanned::Spanned as _;
use syn::{Expr, Ident, Index, LitStr, Member, Token};

use crate::params::Params;

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

/// `user.id()` or `id = user.id()` in `key("...", ...)`.
pub(crate) struct Argument {
    name: Option<Ident>,
    value: Expr,
    used: bool,
}

impl Argument {
    pub(crate) fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let named =
            input.peek(Ident::peek_any) && input.peek2(Token![=]) && !input.peek2(Token![==]);
        let name = if named {
            let name = input.call(Ident::parse_any)?;
            input.parse::<Token![=]>()?;
            Some(name)
        } else {
            None
        };
        Ok(Self {
            name,
            value: input.parse()?,
            used: false,
        })
    }
}

impl Template {
    pub(crate) fn new(literal: &LitStr, mut arguments: Vec<Argument>) -> syn::Result<Self> {
        let span = literal.span();
        let text = literal.value();
        let error = |message: String| syn::Error::new(span, message);
        if text.is_empty() {
            return Err(error(
                "the key is empty; name what is locked, for example \"order:{order_id}\"".into(),
            ));
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
        possible(&pieces).map_err(error)?;
        Ok(Self { span, pieces })
    }

    pub(crate) fn check(&self, function: &Ident, params: &Params) -> syn::Result<()> {
        for piece in &self.pieces {
            if let Piece::Value {
                value: Value::Path(path),
                ..
            } = piece
                && let Some(Member::Named(root)) = path.first()
            {
                params.check(root, function)?;
            }
        }
        Ok(())
    }

    pub(crate) fn tokens(&self, krate: &TokenStream) -> TokenStream {
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

/// What the client would refuse at run time, as far as it can be told now.
fn possible(pieces: &[Piece]) -> Result<(), String> {
    let last = pieces.last().map_or("", Piece::text);
    if let Some(suffix) = [":fence", ":waiters"]
        .into_iter()
        .find(|suffix| last.ends_with(suffix))
    {
        return Err(format!(
            "a key cannot end in `{suffix}`: redlock keeps its own data there"
        ));
    }
    // Those within a part are encoded.
    let texts = || pieces.iter().map(Piece::text);
    let braces: String = texts()
        .flat_map(str::chars)
        .filter(|c| "{}".contains(*c))
        .collect();
    if !matches!(&*braces, "" | "{}") || texts().any(|text| text.contains("{}")) {
        return Err("braces in a key may only enclose one hash tag, as in \"{{tag}}:rest\"".into());
    }
    Ok(())
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
                            return Err(format!(
                                "`{{{hole}` is not closed; write `}}`, or `{{{{` for a brace"
                            ));
                        }
                        Some(c) => hole.push(c),
                    }
                }
                if !plain.is_empty() {
                    chunks.push(Chunk::Text(std::mem::take(&mut plain)));
                }
                let (name, spec) = hole.split_once(':').unwrap_or((&hole, ""));
                chunks.push(Chunk::Hole {
                    name: name.trim().into(),
                    spec: spec.into(),
                });
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
fn resolve(
    name: &str,
    next: &mut usize,
    arguments: &mut [Argument],
    span: Span,
) -> syn::Result<Value> {
    let positional = arguments
        .iter()
        .take_while(|argument| argument.name.is_none())
        .count();
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
        if let Some(argument) = arguments
            .iter_mut()
            .find(|a| a.name.as_ref().is_some_and(|given| given == name))
        {
            argument.used = true;
            return Ok(Value::Expr(argument.value.clone()));
        }
        return path(name, span).map(Value::Path);
    };
    match arguments
        .get_mut(index)
        .filter(|argument| argument.name.is_none())
    {
        Some(argument) => {
            argument.used = true;
            Ok(Value::Expr(argument.value.clone()))
        }
        None => Err(syn::Error::new(
            span,
            format!(
                "`{{{name}}}` asks for expression number {} behind the template, and there are {positional}",
                index + 1
            ),
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
