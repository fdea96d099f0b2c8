//! The function: parsed, and written again with other statements or unchanged.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, TokenStreamExt as _};
use syn::parse::{Parse, ParseStream};
use syn::{AttrStyle, Attribute, Signature, Visibility, token};

/// A function whose body is kept as tokens, so that an editor sees it even while it does not parse.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    vis: Visibility,
    pub(crate) sig: Signature,
    pub(super) brace: token::Brace,
    pub(super) tokens: TokenStream,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig: Signature = input.parse()?;
        if input.peek(syn::Token![;]) {
            return Err(syn::Error::new_spanned(
                &sig.ident,
                "`#[redlock]` needs a function with a body; put it on the implementation",
            ));
        }
        let body;
        let brace = syn::braced!(body in input);
        attrs.extend(body.call(Attribute::parse_inner)?);
        Ok(Self {
            attrs,
            vis,
            sig,
            brace,
            tokens: body.parse()?,
        })
    }
}

impl Function {
    /// Parses the item; the error explains the usual mistakes, such as the attribute on an impl block.
    pub(crate) fn parse_item(item: &TokenStream) -> syn::Result<Self> {
        syn::parse2(item.clone()).map_err(|error| not_a_function(item).unwrap_or(error))
    }

    /// The user's item, so that editors keep working while there is an error.
    pub(crate) fn unchanged(&self) -> TokenStream {
        self.emit(&self.tokens)
    }

    /// The same function with other statements in its body.
    pub(crate) fn with_statements(&self, statements: &TokenStream) -> TokenStream {
        self.emit(statements)
    }

    fn emit(&self, tokens: &TokenStream) -> TokenStream {
        let (inner, outer): (Vec<_>, Vec<_>) = self
            .attrs
            .iter()
            .partition(|attr| matches!(attr.style, AttrStyle::Inner(_)));
        let mut item = TokenStream::new();
        item.append_all(outer);
        self.vis.to_tokens(&mut item);
        self.sig.to_tokens(&mut item);
        self.brace.surround(&mut item, |content| {
            content.append_all(inner);
            tokens.to_tokens(content);
        });
        item
    }
}

/// The error for the attribute on an impl block, a trait, a struct.
fn not_a_function(item: &TokenStream) -> Option<syn::Error> {
    let message = match syn::parse2(item.clone()).ok()? {
        syn::Item::Fn(_) | syn::Item::Verbatim(_) => return None,
        syn::Item::Impl(_) => {
            "`#[redlock]` cannot be applied to an `impl` block; put it on its methods"
        }
        syn::Item::Trait(_) => {
            "`#[redlock]` cannot be applied to a trait; put it on the methods of its implementations"
        }
        _ => "`#[redlock]` can only be applied to an `async fn`",
    };
    Some(syn::Error::new(Span::call_site(), message))
}
