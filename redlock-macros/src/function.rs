//! The function that the attribute stands on, in each of the forms that an async one comes in.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, TokenStreamExt as _, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::visit::Visit;
use syn::{
    AttrStyle, Attribute, Block, Expr, ExprAsync, ExprCall, Ident, Pat, ReturnType, Signature, Stmt, Type,
    Visibility, token,
};

/// A function whose body is kept as tokens: an editor sees it even while it does not parse.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    brace: token::Brace,
    body: TokenStream,
}

/// Where the user's statements are, and what stands around them.
pub(crate) struct Core {
    /// What runs before them, outside of the lock: the bindings that `#[async_trait]` makes.
    pub(crate) before: TokenStream,
    /// The user's own statements, in braces.
    pub(crate) statements: TokenStream,
    /// What they result in; `_` where it is not told.
    pub(crate) output: Type,
    /// What `self` is called here.
    pub(crate) receiver: Option<Ident>,
    around: Around,
}

enum Around {
    /// `async fn f() -> T { .. }`
    AsyncFn,
    /// `fn f() -> impl Future<Output = T> { async move { .. } }`, boxed or not, after `leading` statements.
    Future { leading: Vec<Stmt>, make: Option<Box<Expr>>, block: ExprAsync },
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig: Signature = input.parse()?;
        if input.peek(syn::Token![;]) {
            return Err(syn::Error::new_spanned(
                &sig.ident,
                "`#[redlock]` guards a body, and here is none; put it on the implementation",
            ));
        }
        let body;
        let brace = syn::braced!(body in input);
        attrs.extend(body.call(Attribute::parse_inner)?);
        Ok(Self { attrs, vis, sig, brace, body: body.parse()? })
    }
}

impl Function {
    /// Finds the user's statements; an error where the function is not async in any form.
    pub(crate) fn core(&self) -> syn::Result<Core> {
        if self.sig.asyncness.is_some() {
            return Ok(Core {
                before: TokenStream::new(),
                statements: braced(&self.brace, &self.body),
                output: match &self.sig.output {
                    ReturnType::Default => syn::parse_quote!(()),
                    ReturnType::Type(_, ty) => (**ty).clone(),
                },
                receiver: None,
                around: Around::AsyncFn,
            });
        }
        self.future().ok_or_else(|| {
            syn::Error::new(
                self.sig.fn_token.span,
                "`#[redlock]` needs an `async fn`: a lock is waited for without blocking the thread",
            )
        })
    }

    /// A function that ends in an async block.
    fn future(&self) -> Option<Core> {
        let mut leading = syn::parse::Parser::parse2(Block::parse_within, self.body.clone()).ok()?;
        let Some(Stmt::Expr(last, None)) = leading.pop() else { return None };
        let (make, block) = match last {
            Expr::Async(block) => (None, block),
            Expr::Call(ExprCall { func, args, .. }) if ends_in_box_pin(&func) && args.len() == 1 => {
                match args.into_iter().next() {
                    Some(Expr::Async(block)) => (Some(func), block),
                    _ => return None,
                }
            }
            _ => return None,
        };
        let output = output_of_future(&self.sig.output);
        let (before, inner, receiver) = match async_trait_form(&block.block.stmts) {
            Some((before, inner)) => (tokens(before), inner, renamed_receiver(before)),
            None => (TokenStream::new(), &block.block, None),
        };
        let statements = braced(&inner.brace_token, &tokens(&inner.stmts));
        Some(Core { before, statements, output, receiver, around: Around::Future { leading, make, block } })
    }

    /// The same function with another body.
    pub(crate) fn with_body(&self, core: &Core, body: &TokenStream) -> TokenStream {
        let before = &core.before;
        match &core.around {
            Around::AsyncFn => self.emit(body),
            Around::Future { leading, make, block } => {
                let ExprAsync { attrs, async_token, capture, .. } = block;
                let future = quote!(#(#attrs)* #async_token #capture { #before #body });
                let future = match make {
                    Some(make) => quote!(#make(#future)),
                    None => future,
                };
                self.emit(&quote!(#(#leading)* #future))
            }
        }
    }

    /// The user's own item, so that an editor goes on working beside an error.
    pub(crate) fn unchanged(&self) -> TokenStream {
        self.emit(&self.body)
    }

    fn emit(&self, body: &TokenStream) -> TokenStream {
        let (inner, outer): (Vec<_>, Vec<_>) =
            self.attrs.iter().partition(|attr| matches!(attr.style, AttrStyle::Inner(_)));
        let mut item = TokenStream::new();
        item.append_all(outer);
        self.vis.to_tokens(&mut item);
        self.sig.to_tokens(&mut item);
        self.brace.surround(&mut item, |tokens| {
            tokens.append_all(inner);
            body.to_tokens(tokens);
        });
        item
    }
}

fn ends_in_box_pin(func: &Expr) -> bool {
    let Expr::Path(path) = func else { return false };
    let mut names = path.path.segments.iter().rev().map(|segment| &segment.ident);
    names.next().is_some_and(|name| name == "pin") && names.next().is_some_and(|name| name == "Box")
}

/// What `#[async_trait]` leaves: bindings, then `let __ret: T = { the user's body }; __ret`, or
/// `let _: () = { the user's body };` where nothing is returned.
fn async_trait_form(stmts: &[Stmt]) -> Option<(&[Stmt], &Block)> {
    let (binding, before) = match stmts {
        [before @ .., Stmt::Local(local), Stmt::Expr(Expr::Path(value), None)] if value.path.is_ident("__ret") => {
            (local, before)
        }
        [before @ .., Stmt::Local(local)] => (local, before),
        _ => return None,
    };
    let Pat::Type(typed) = &binding.pat else { return None };
    let made = match &*typed.pat {
        Pat::Ident(pat) => pat.ident == "__ret",
        Pat::Wild(_) => before.iter().all(|stmt| matches!(stmt, Stmt::Local(_))),
        _ => false,
    };
    match &*binding.init.as_ref().filter(|_| made)?.expr {
        Expr::Block(block) if block.label.is_none() => Some((before, &block.block)),
        _ => None,
    }
}

/// `let __self = self;` among the bindings.
fn renamed_receiver(before: &[Stmt]) -> Option<Ident> {
    before.iter().find_map(|stmt| match stmt {
        Stmt::Local(local) => match &local.pat {
            Pat::Ident(pat) if pat.ident == "__self" => Some(pat.ident.clone()),
            _ => None,
        },
        _ => None,
    })
}

/// The `T` of `Future<Output = T>`, wherever it stands in the return type.
fn output_of_future(output: &ReturnType) -> Type {
    struct Find(Option<Type>);
    impl<'ast> Visit<'ast> for Find {
        fn visit_assoc_type(&mut self, assoc: &'ast syn::AssocType) {
            if assoc.ident == "Output" && self.0.is_none() {
                self.0 = Some(assoc.ty.clone());
            }
        }
    }
    let mut find = Find(None);
    find.visit_return_type(output);
    find.0.unwrap_or_else(|| syn::parse_quote!(_))
}

/// The body in braces that point to the user's own, so that a missing value is reported there. They
/// are ours all the same: no lint finds them superfluous.
fn braced(brace: &token::Brace, body: &TokenStream) -> TokenStream {
    let span = Span::call_site().located_at(brace.span.join());
    quote_spanned!(span=> { #body })
}

fn tokens(stmts: &[Stmt]) -> TokenStream {
    let mut tokens = TokenStream::new();
    tokens.append_all(stmts);
    tokens
}
