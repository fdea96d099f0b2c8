//! Where the tokens of the expansion point to, and how its local variables stay hygienic.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::Ident;

/// A local variable of the expansion. The user's code cannot see it.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// The same; errors about it point to `span`.
pub(crate) fn local_at(name: &str, span: Span) -> Ident {
    Ident::new(name, Span::mixed_site().located_at(span))
}

/// A token of the expansion at a place in the user's source. Errors point there, and lints know that the user did not write it.
pub(crate) fn here(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// All tokens at one place in the user's source.
pub(crate) fn at(span: Span, tokens: TokenStream) -> TokenStream {
    let set = |mut token: TokenTree| {
        token.set_span(here(span));
        token
    };
    tokens.into_iter().map(set).collect()
}
