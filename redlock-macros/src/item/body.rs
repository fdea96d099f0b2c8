//! The user's statements, and the code around them, in each form that an async function can have.

use std::collections::BTreeSet;

use proc_macro2::{Span, TokenStream};
use quote::{TokenStreamExt as _, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Block, Ident, Pat, ReturnType, Type, token};

use super::function::Function;
use super::future::{Future, Place};
use super::{async_trait, output};
use crate::names::names_in;
use crate::spans::here;

/// The body of an async function.
pub(crate) struct Body {
    /// The user's own statements, in braces.
    pub(crate) statements: TokenStream,
    /// The type of their value; `_` if it is unknown.
    pub(crate) output: Type,
    /// The name of `self` in the body, if `#[async_trait]` has renamed it.
    pub(crate) receiver: Option<Ident>,
    /// The patterns that `#[async_trait]` binds before the user's statements, outside of the lock.
    pub(crate) bindings: Vec<Pat>,
    /// The future that the function returns, unless it is an `async fn`.
    future: Option<Future>,
}

/// The form of a function, which decides who owns its arguments.
pub(crate) enum Form {
    /// `async fn`
    AsyncFn,
    /// A method in `#[async_trait]`.
    AsyncTrait,
    /// A function that returns an async block, which owns what it names if it is `async move`.
    Future { owns: bool },
}

impl Body {
    /// Finds the user's statements; an error if the function is not async in any form.
    pub(crate) fn find(function: &Function) -> syn::Result<Self> {
        if function.sig.asyncness.is_some() {
            return Ok(Self::of_async_fn(function));
        }
        let Some(future) = Future::find(function) else {
            let span = function.sig.fn_token.span;
            return Err(syn::Error::new(span, not_async(&function.tokens)));
        };
        let (before, block) = future.user_block();
        Ok(Self {
            statements: braced(&block.brace_token, &statements(block)),
            output: output::of_future(&function.sig.output),
            receiver: async_trait::receiver(before),
            bindings: async_trait::patterns(before),
            future: Some(future),
        })
    }

    fn of_async_fn(function: &Function) -> Self {
        Self {
            statements: braced(&function.brace, &function.tokens),
            output: match &function.sig.output {
                ReturnType::Default => syn::parse_quote!(()),
                ReturnType::Type(_, ty) => (**ty).clone(),
            },
            receiver: None,
            bindings: Vec::new(),
            future: None,
        }
    }

    pub(crate) fn form(&self) -> Form {
        match &self.future {
            None => Form::AsyncFn,
            Some(future) if matches!(future.place, Place::Whole) => Form::Future {
                owns: future.block.capture.is_some(),
            },
            Some(_) => Form::AsyncTrait,
        }
    }

    /// The return type of the function, or its name if none is written.
    pub(crate) fn output_span(&self, function: &Function) -> Span {
        match &function.sig.output {
            ReturnType::Default => function.sig.ident.span(),
            ReturnType::Type(..) => self.output.span(),
        }
    }

    /// The body of the function with other statements in place of the user's.
    pub(crate) fn replace(&self, statements: &TokenStream) -> TokenStream {
        match &self.future {
            None => statements.clone(),
            Some(future) => future.replace(statements),
        }
    }
}

/// Why no async body was found, and what to write.
fn not_async(body: &TokenStream) -> &'static str {
    let mut names = BTreeSet::new();
    names_in(body.clone(), &mut names);
    if names.contains("block_on") {
        return "an attribute above has made this function synchronous, as `#[tokio::main]` and `#[tokio::test]` do; \
                write `#[redlock(...)]` above it";
    }
    if names.contains("async") || names.contains("Box") {
        return "`#[redlock]` finds no async block at the end of this function; write `async fn`, or end the function with \
                one block that contains all of it: `Box::pin(async move { if ... { ... } else { ... } })`";
    }
    "`#[redlock]` needs an `async fn`: waiting for a lock must not block the thread"
}

/// The body in braces that point to the user's own, so that a missing value is reported there. They are tokens of the
/// expansion, so no lint reports them as superfluous.
fn braced(brace: &token::Brace, body: &TokenStream) -> TokenStream {
    let span = here(brace.span.join());
    quote_spanned!(span=> { #body })
}

fn statements(block: &Block) -> TokenStream {
    let mut tokens = TokenStream::new();
    tokens.append_all(&block.stmts);
    tokens
}
