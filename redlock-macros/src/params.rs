//! The names that a function's arguments bind.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};
use syn::{FnArg, Ident, Pat, PatIdent, Signature};

use crate::suggest;

/// The names that a key can use.
pub(crate) struct Params {
    names: BTreeSet<String>,
    /// A pattern whose names cannot be known here: the compiler has the last word then.
    open: bool,
}

impl Params {
    pub(crate) fn of(signature: &Signature) -> Self {
        let mut params = Self {
            names: BTreeSet::new(),
            open: false,
        };
        for input in &signature.inputs {
            match input {
                FnArg::Receiver(_) => {
                    params.names.insert("self".into());
                }
                FnArg::Typed(typed) => params.visit_pat(&typed.pat),
            }
        }
        params
    }

    /// Nothing is known, as in a body that another attribute has rewritten.
    pub(crate) fn unknown() -> Self {
        Self {
            names: BTreeSet::new(),
            open: true,
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// An argument that `text` names in the way of another template language: `#id`, `$id`, or in double braces.
    pub(crate) fn named_in(&self, text: &str) -> Option<&str> {
        self.names().find(|name| {
            let follows =
                |at: usize| text[at..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
            let written = |open: &str| {
                let form = format!("{open}{name}");
                text.match_indices(&form)
                    .any(|(at, form)| !follows(at + form.len()))
            };
            written("#") || written("$") || written("{")
        })
    }

    /// An error that teaches, where `name` is no argument. A constant is let through.
    pub(crate) fn check(&self, name: &Ident, function: &Ident) -> syn::Result<()> {
        let text = name.to_string();
        let constant = text.starts_with(|c: char| c.is_ascii_uppercase());
        if self.open || constant || self.names.contains(&text) {
            return Ok(());
        }
        let names = || self.names.iter().map(String::as_str);
        let remedy = match suggest::nearest(&text, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if self.names.is_empty() => "it has no arguments".into(),
            None => format!("it has {}", suggest::list(names(), "and")),
        };
        Err(syn::Error::new(
            name.span(),
            format!("`{function}` has no argument `{text}` to build the key from; {remedy}"),
        ))
    }
}

impl<'ast> Visit<'ast> for Params {
    fn visit_pat_ident(&mut self, pat: &'ast PatIdent) {
        self.names.insert(pat.ident.to_string());
        visit::visit_pat_ident(self, pat);
    }

    fn visit_pat(&mut self, pat: &'ast Pat) {
        self.open |= matches!(pat, Pat::Macro(_) | Pat::Verbatim(_));
        visit::visit_pat(self, pat);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_bind_names() {
        let signature: Signature = syn::parse_quote! {
            fn f(&self, State(app): State<App>, Path((user, order)): Path<(u8, u8)>, S { x, y: [z, ..], .. }: S)
        };
        let names: Vec<_> = Params::of(&signature).names.into_iter().collect();
        assert_eq!(names, ["app", "order", "self", "user", "x", "z"]);
    }
}
