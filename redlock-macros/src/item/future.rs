//! A function that ends in an async block: `fn f() -> impl Future<Output = T> { async move { .. } }`, boxed or not.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::parse::Parser as _;
use syn::{Block, Expr, ExprAsync, ExprCall, Stmt};

use super::async_trait;
use super::function::Function;

pub(super) struct Future {
    /// The statements before the block.
    leading: Vec<Stmt>,
    /// `Box::pin`
    pin: Option<Box<Expr>>,
    pub(super) block: ExprAsync,
    pub(super) place: Place,
}

/// Where the user's statements are in the async block.
pub(super) enum Place {
    /// The block is the user's.
    Whole,
    /// In the block that `#[async_trait]` has written.
    AsyncTrait,
    /// In that block, which another attribute has wrapped, as `#[instrument]` does: the inner block.
    Wrapped(Block),
}

impl Future {
    pub(super) fn find(function: &Function) -> Option<Self> {
        let mut leading = Block::parse_within.parse2(function.tokens.clone()).ok()?;
        let Some(Stmt::Expr(last, None)) = leading.pop() else {
            return None;
        };
        let (pin, block) = match last {
            Expr::Async(block) => (None, block),
            Expr::Call(ExprCall { func, args, .. }) if is_box_pin(&func) && args.len() == 1 => {
                match args.into_iter().next() {
                    Some(Expr::Async(block)) => (Some(func), block),
                    _ => return None,
                }
            }
            _ => return None,
        };
        let place = if async_trait::split(&block.block.stmts).is_some() {
            Place::AsyncTrait
        } else {
            async_trait::find(&block.block).map_or(Place::Whole, Place::Wrapped)
        };
        Some(Self {
            leading,
            pin,
            block,
            place,
        })
    }

    /// The user's block, and the bindings that `#[async_trait]` has put before it.
    pub(super) fn user_block(&self) -> (&[Stmt], &Block) {
        let made = match &self.place {
            Place::Whole => None,
            Place::AsyncTrait => async_trait::split(&self.block.block.stmts),
            Place::Wrapped(block) => async_trait::split(&block.stmts),
        };
        made.unwrap_or((&[], &self.block.block))
    }

    /// The statements of the function with others in place of the user's.
    pub(super) fn replace(&self, statements: &TokenStream) -> TokenStream {
        let ExprAsync {
            attrs,
            async_token,
            capture,
            block,
            ..
        } = &self.block;
        let block = match self.place {
            Place::Whole => quote!({ #statements }),
            Place::AsyncTrait => {
                async_trait::replace(block.clone(), statements).into_token_stream()
            }
            Place::Wrapped(_) => {
                async_trait::replace_wrapped(block.clone(), statements).into_token_stream()
            }
        };
        let leading = &self.leading;
        let future = quote!(#(#attrs)* #async_token #capture #block);
        match &self.pin {
            Some(pin) => quote!(#(#leading)* #pin(#future)),
            None => quote!(#(#leading)* #future),
        }
    }
}

fn is_box_pin(func: &Expr) -> bool {
    let Expr::Path(path) = func else { return false };
    let mut names = path.path.segments.iter().rev().map(|last| &last.ident);
    names.next().is_some_and(|name| name == "pin") && names.next().is_some_and(|name| name == "Box")
}
