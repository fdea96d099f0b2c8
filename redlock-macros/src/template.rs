//! A key template: text, holes, and what fills them.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::spanned::Spanned as _;
use syn::visit_mut::VisitMut;
use syn::{Expr, ExprPath, Ident, Index, LitStr, Member, Token};

use crate::params::Params;
use crate::tokens::{here, local, local_at};

pub(crate) struct Template {
    span: Span,
    pieces: Vec<Piece>,
    arguments: Vec<Argument>,
}

enum Piece {
    Text(String),
    Value { value: Value, spec: String },
}

enum Value {
    /// An argument of the function, or a field within it.
    Path(Vec<Member>),
    /// A constant elsewhere, as `Self::AREA`.
    Constant(Box<ExprPath>),
    /// The expression of this number that `key(...)` was given.
    Argument(usize),
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
        Ok(Self {
            span,
            pieces,
            arguments,
        })
    }

    /// Where it stands, if it is the same for all arguments.
    pub(crate) fn plain(&self) -> Option<Span> {
        let is_text = |piece: &Piece| matches!(piece, Piece::Text(_));
        self.pieces.iter().all(is_text).then_some(self.span)
    }

    pub(crate) fn check(&self, function: &Ident, params: &Params) -> syn::Result<()> {
        for piece in &self.pieces {
            if let Some(name) = params.named_in(piece.text()) {
                let message = format!(
                    "the key holds `{name}` as plain text, so that all calls have the same; the argument is written \
                     `{{{name}}}`. If the text is meant, write `key = const \"...\"`"
                );
                return Err(syn::Error::new(self.span, message));
            }
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

    /// The statements that put the key together in the variable `key`. Each expression is evaluated once, in the order
    /// of the source, and rendered before the next one may await.
    pub(crate) fn statements(&self, key: &Ident, krate: &TokenStream) -> TokenStream {
        let mut statements = TokenStream::new();
        for (number, argument) in self.arguments.iter().enumerate() {
            let renderings = self.specs(number).map(|spec| {
                let value = local_at("value", argument.value.span());
                let value = formatted(&value.to_token_stream(), spec, self.span);
                quote!(#krate::__private::Part::new(#value))
            });
            let (parts, expr) = (local(&format!("part{number}")), &argument.value);
            let value = local_at("value", expr.span());
            statements.extend(quote_spanned! {here(expr.span())=>
                let #parts = match &(#expr) { #value => (#(#renderings,)*) };
            });
        }
        let mut rendered = vec![0; self.arguments.len()];
        for piece in &self.pieces {
            statements.extend(match piece {
                Piece::Text(text) => {
                    let text = LitStr::new(text, self.span);
                    quote!(#key.text(#text);)
                }
                Piece::Value {
                    value: value @ (Value::Path(_) | Value::Constant(_)),
                    spec,
                } => {
                    let span = self.span;
                    let path = match value {
                        Value::Path(path) => quote_spanned!(span=> #(#path).*),
                        Value::Constant(path) => path.to_token_stream(),
                        Value::Argument(_) => continue,
                    };
                    let value = match &**spec {
                        "" => quote_spanned!(span=> &#path),
                        spec => formatted(&path, spec, span),
                    };
                    quote_spanned!(span=> #key.part(#value);)
                }
                Piece::Value {
                    value: Value::Argument(number),
                    ..
                } => {
                    let parts = local(&format!("part{number}"));
                    let rendering = Index::from(rendered[*number]);
                    rendered[*number] += 1;
                    quote!(#key.rendered(&#parts.#rendering);)
                }
            });
        }
        statements
    }

    /// The formats in which expression `number` stands in the key, in their order.
    fn specs(&self, number: usize) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(move |piece| match piece {
            Piece::Value {
                value: Value::Argument(of),
                spec,
            } if *of == number => Some(&**spec),
            _ => None,
        })
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

/// A value in its format.
fn formatted(value: &TokenStream, spec: &str, span: Span) -> TokenStream {
    if spec.is_empty() {
        return value.clone();
    }
    let format = LitStr::new(&format!("{{:{spec}}}"), span);
    quote_spanned!(span=> ::core::format_args!(#format, #value))
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
                        Some('{') if hole.contains(':') => {
                            let inner: String = chars.take_while(|c| *c != '}').collect();
                            return Err(format!(
                                "a width or precision is a number or an argument behind which stands `$`: \
                                 `{{{hole}{inner}$}}`"
                            ));
                        }
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
                let (name, spec) = split_spec(&hole);
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

/// The name and the format: `n:>4`, also where the name is a path, `config::AREA:>4`.
fn split_spec(hole: &str) -> (&str, &str) {
    let mut from = 0;
    while let Some(colon) = hole[from..].find(':').map(|at| from + at) {
        let tail = &hole[colon + 1..];
        // A colon may also be what a format fills with, as in `n::>4`.
        let is_path = tail
            .strip_prefix(':')
            .is_some_and(|tail| tail.starts_with(|c: char| c.is_alphabetic() || c == '_'));
        if !is_path {
            return (&hole[..colon], tail);
        }
        from = colon + 2;
    }
    (hole, "")
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
        let named = |argument: &Argument| argument.name.as_ref().is_some_and(|given| given == name);
        if let Some(index) = arguments.iter().position(named) {
            arguments[index].used = true;
            return Ok(Value::Argument(index));
        }
        return path(name, span);
    };
    match arguments
        .get_mut(index)
        .filter(|argument| argument.name.is_none())
    {
        Some(argument) => {
            argument.used = true;
            Ok(Value::Argument(index))
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

/// `user.id`, `pair.0` or `config::AREA`; anything more is an expression.
fn path(text: &str, span: Span) -> syn::Result<Value> {
    let error = |message: String| Err(syn::Error::new(span, message));
    if text.contains("::")
        && let Ok(mut constant) = syn::parse_str::<ExprPath>(text)
    {
        Relocate(span).visit_expr_path_mut(&mut constant);
        return Ok(Value::Constant(Box::new(constant)));
    }
    let mut members = Vec::new();
    for (position, segment) in text.split('.').enumerate() {
        if position > 0
            && let Ok(index) = segment.parse::<u32>()
        {
            members.push(Member::Unnamed(Index { index, span }));
        } else if position == 0 && segment == "self" {
            members.push(Member::Named(Ident::new("self", span)));
        } else if let Ok(mut ident) = syn::parse_str::<Ident>(segment) {
            ident.set_span(span);
            members.push(Member::Named(ident));
        } else if Ident::parse_any.parse_str(segment).is_ok() {
            return error(format!(
                "`{segment}` is a keyword; a name like it is written `r#{segment}`, and an expression behind the \
                 template: `key(\"...{{}}...\", ...)`"
            ));
        } else {
            return error(format!(
                "`{{{text}}}` is neither an argument nor a field of one; \
                 write the expression behind the template: `key(\"...{{}}...\", {text})`"
            ));
        }
    }
    Ok(Value::Path(members))
}

/// Puts all names of a path to one place.
struct Relocate(Span);

impl VisitMut for Relocate {
    fn visit_ident_mut(&mut self, ident: &mut Ident) {
        ident.set_span(self.0);
    }
}
