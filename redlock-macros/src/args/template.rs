//! A key template: literal text, and the arguments or expressions that fill its placeholders.

use proc_macro2::Span;
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::spanned::Spanned as _;
use syn::visit_mut::VisitMut;
use syn::{Expr, ExprPath, Ident, Index, LitStr, Member, Token};

use super::placeholders::{Chunk, split};

pub(crate) struct Template {
    pub(crate) span: Span,
    pub(crate) pieces: Vec<Piece>,
    /// The expressions behind the template.
    pub(crate) arguments: Vec<Argument>,
}

pub(crate) enum Piece {
    Text(String),
    Value { source: Source, format: String },
}

/// What fills a placeholder.
pub(crate) enum Source {
    /// An argument of the function, or a field of it.
    Field(Vec<Member>),
    /// A constant, such as `Self::AREA`.
    Constant(Box<ExprPath>),
    /// The expression with this number behind the template.
    Argument(usize),
}

/// `user.id()` or `id = user.id()` in `key("...", ...)`.
pub(crate) struct Argument {
    name: Option<Ident>,
    pub(crate) value: Expr,
    used: bool,
}

impl Argument {
    pub(super) fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
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
    pub(super) fn new(literal: &LitStr, mut arguments: Vec<Argument>) -> syn::Result<Self> {
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
        for chunk in split(&text).map_err(error)? {
            pieces.push(match chunk {
                Chunk::Text(text) => Piece::Text(text),
                Chunk::Placeholder { name, format } => Piece::Value {
                    source: resolve(&name, &mut next, &mut arguments).map_err(error)?,
                    format,
                },
            });
        }
        if let Some(unused) = arguments.iter().find(|argument| !argument.used) {
            return Err(syn::Error::new(
                unused.value.span(),
                "the template has no `{}` for this expression; each one has to be part of the key",
            ));
        }
        check_braces(&pieces).map_err(error)?;
        let mut template = Self {
            span,
            pieces,
            arguments,
        };
        template.relocate();
        Ok(template)
    }

    /// Whether no argument or expression is part of the key.
    pub(crate) fn is_constant(&self) -> bool {
        let is_text = |piece: &Piece| matches!(piece, Piece::Text(_));
        self.pieces.iter().all(is_text)
    }

    /// Points all names in placeholders to the template, so that errors about them are reported there.
    fn relocate(&mut self) {
        let mut relocate = Relocate(self.span);
        for piece in &mut self.pieces {
            match piece {
                Piece::Value {
                    source: Source::Field(path),
                    ..
                } => path
                    .iter_mut()
                    .for_each(|member| relocate.visit_member_mut(member)),
                Piece::Value {
                    source: Source::Constant(path),
                    ..
                } => relocate.visit_expr_path_mut(path),
                _ => {}
            }
        }
    }
}

impl Piece {
    /// The literal text; none for a placeholder.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Value { .. } => "",
        }
    }
}

/// Braces that a client would reject. Those in the value of a placeholder are encoded.
fn check_braces(pieces: &[Piece]) -> Result<(), String> {
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

/// Finds what a placeholder stands for: the next expression, a numbered or named one, or an argument's field.
fn resolve(name: &str, next: &mut usize, arguments: &mut [Argument]) -> Result<Source, String> {
    let positional = arguments
        .iter()
        .take_while(|argument| argument.name.is_none())
        .count();
    let index = if name.is_empty() {
        if positional == 0 {
            return Err(
                "`{}` has nothing to show; name an argument as in \"order:{order_id}\", \
                 or give the expression as in `key(\"order:{}\", user.id())`"
                    .into(),
            );
        }
        *next += 1;
        *next - 1
    } else if let Ok(index) = name.parse::<usize>() {
        index
    } else {
        let named = |argument: &Argument| argument.name.as_ref().is_some_and(|given| given == name);
        if let Some(index) = arguments.iter().position(named) {
            arguments[index].used = true;
            return Ok(Source::Argument(index));
        }
        return parse_path(name);
    };
    match arguments
        .get_mut(index)
        .filter(|argument| argument.name.is_none())
    {
        Some(argument) => {
            argument.used = true;
            Ok(Source::Argument(index))
        }
        None => Err(format!(
            "`{{{name}}}` stands for expression number {}, but only {positional} follow the template",
            index + 1
        )),
    }
}

/// `user.id`, `pair.0` or `config::AREA`. Anything else has to be an expression behind the template.
fn parse_path(text: &str) -> Result<Source, String> {
    if text.contains("::")
        && let Ok(constant) = syn::parse_str::<ExprPath>(text)
    {
        return Ok(Source::Constant(Box::new(constant)));
    }
    let mut members = Vec::new();
    for (position, segment) in text.split('.').enumerate() {
        if position > 0
            && let Ok(index) = segment.parse::<u32>()
        {
            members.push(Member::Unnamed(Index {
                index,
                span: Span::call_site(),
            }));
        } else if position == 0 && segment == "self" {
            members.push(Member::Named(Ident::new("self", Span::call_site())));
        } else if let Ok(ident) = syn::parse_str::<Ident>(segment) {
            members.push(Member::Named(ident));
        } else if Ident::parse_any.parse_str(segment).is_ok() {
            return Err(format!(
                "`{segment}` is a keyword; write `r#{segment}` for an argument of that name, or an expression behind the \
                 template: `key(\"...{{}}...\", ...)`"
            ));
        } else {
            return Err(format!(
                "`{{{text}}}` is neither an argument nor a field of one; \
                 write the expression behind the template: `key(\"...{{}}...\", {text})`"
            ));
        }
    }
    Ok(Source::Field(members))
}

struct Relocate(Span);

impl VisitMut for Relocate {
    fn visit_ident_mut(&mut self, ident: &mut Ident) {
        ident.set_span(self.0);
    }

    fn visit_index_mut(&mut self, index: &mut Index) {
        index.span = self.0;
    }
}
