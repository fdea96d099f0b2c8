//! Tokens in another place: what a span points to, what `self` is called, what a type leaves open.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use syn::visit_mut::{self, VisitMut};
use syn::{Ident, Type, TypeInfer};

/// `impl Trait` stands for a type that only the body knows: `_` here.
pub(crate) fn without_impl(ty: &Type) -> Type {
    struct Erase;
    impl VisitMut for Erase {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            match ty {
                Type::ImplTrait(given) => {
                    *ty = Type::Infer(TypeInfer {
                        attrs: Vec::new(),
                        underscore_token: syn::Token![_](given.impl_token.span),
                    });
                }
                other => visit_mut::visit_type_mut(self, other),
            }
        }
    }
    let mut ty = ty.clone();
    Erase.visit_type_mut(&mut ty);
    ty
}

/// `#[async_trait]` has moved `self` into a binding of its own.
pub(crate) fn rename_self(tokens: TokenStream, receiver: &Ident) -> TokenStream {
    tokens
        .into_iter()
        .map(|token| match token {
            TokenTree::Ident(ident) if ident == "self" => {
                TokenTree::Ident(Ident::new(&receiver.to_string(), ident.span()))
            }
            TokenTree::Group(group) => {
                let mut renamed =
                    Group::new(group.delimiter(), rename_self(group.stream(), receiver));
                renamed.set_span(group.span());
                TokenTree::Group(renamed)
            }
            other => other,
        })
        .collect()
}

/// A local variable of the expansion: no name of the user's can meet it.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// The same, where errors about it point to.
pub(crate) fn local_at(name: &str, span: Span) -> Ident {
    Ident::new(name, Span::mixed_site().located_at(span))
}

/// Where the user wrote something, as our own token: errors point there, lints do not speak of it.
pub(crate) fn here(span: Span) -> Span {
    Span::call_site().located_at(span)
}

pub(crate) fn at(span: Span, tokens: TokenStream) -> TokenStream {
    let set = |mut token: TokenTree| {
        token.set_span(here(span));
        token
    };
    tokens.into_iter().map(set).collect()
}
