//! The names in a key template against the arguments of the function.

use syn::{Ident, Member};

use crate::args::{Key, Piece, Source, Template, list, nearest};
use crate::item::Params;

pub(super) fn check(key: &Key, function: &Ident, params: &Params) -> syn::Result<()> {
    match key {
        Key::Constant(_) | Key::Verbatim(_) => Ok(()),
        Key::Template(template) => check_template(template, function, params),
    }
}

fn check_template(template: &Template, function: &Ident, params: &Params) -> syn::Result<()> {
    for piece in &template.pieces {
        if let Some(name) = params.names().find(|name| is_marked(piece.text(), name)) {
            let message = format!(
                "the key contains `{name}` as plain text, so it is the same for all calls; write `{{{name}}}` for the \
                 argument, or `key = const \"...\"` if the text is meant"
            );
            return Err(syn::Error::new(template.span, message));
        }
        if let Piece::Value {
            source: Source::Field(path),
            ..
        } = piece
            && let Some(Member::Named(root)) = path.first()
        {
            check_argument(root, function, params)?;
        }
    }
    Ok(())
}

/// Whether the text names an argument in the syntax of another template language: `#id`, `$id`, or in double braces.
fn is_marked(text: &str, name: &str) -> bool {
    let continues = |at: usize| text[at..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
    ["#", "$", "{"].iter().any(|mark| {
        let marked = format!("{mark}{name}");
        text.match_indices(&marked)
            .any(|(at, marked)| !continues(at + marked.len()))
    })
}

/// An error if the name is not an argument. A constant passes.
fn check_argument(name: &Ident, function: &Ident, params: &Params) -> syn::Result<()> {
    let text = name.to_string();
    if text.starts_with(|c: char| c.is_ascii_uppercase()) || !params.lacks(&text) {
        return Ok(());
    }
    let remedy = match nearest(&text, params.names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if params.names().next().is_none() => "it has no arguments".into(),
        None => format!("it has {}", list(params.names(), "and")),
    };
    Err(syn::Error::new(
        name.span(),
        format!("`{function}` has no argument `{text}` for the key; {remedy}"),
    ))
}
