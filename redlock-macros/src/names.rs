//! The names in a token stream: which ones it uses, and `self` under another name.

use std::collections::BTreeSet;

use proc_macro2::{Group, TokenStream, TokenTree};
use syn::Ident;
use syn::ext::IdentExt as _;

/// A name without `r#`: format strings name `r#type` as `type`.
pub(crate) fn plain(name: &Ident) -> String {
    name.unraw().to_string()
}

/// Adds all [plain] names that the tokens use, including the placeholders of format strings.
pub(crate) fn names_in(tokens: TokenStream, names: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                names.insert(plain(&ident));
            }
            TokenTree::Group(group) => names_in(group.stream(), names),
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                for placeholder in text.split('{').skip(1) {
                    let placeholder = placeholder.strip_prefix("r#").unwrap_or(placeholder);
                    let end = placeholder.find(|c: char| !c.is_alphanumeric() && c != '_');
                    names.insert(placeholder[..end.unwrap_or(placeholder.len())].to_owned());
                }
            }
            TokenTree::Punct(_) => {}
        }
    }
}

/// Replaces `self` by the name that `#[async_trait]` has given it, if any.
pub(crate) fn rename_self(tokens: TokenStream, receiver: Option<&Ident>) -> TokenStream {
    let Some(receiver) = receiver else {
        return tokens;
    };
    tokens
        .into_iter()
        .map(|token| match token {
            TokenTree::Ident(ident) if ident == "self" => {
                TokenTree::Ident(Ident::new(&receiver.to_string(), ident.span()))
            }
            TokenTree::Group(group) => {
                let inner = rename_self(group.stream(), Some(receiver));
                let mut renamed = Group::new(group.delimiter(), inner);
                renamed.set_span(group.span());
                TokenTree::Group(renamed)
            }
            other => other,
        })
        .collect()
}
