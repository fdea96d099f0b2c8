//! The function that the attribute stands on, in each of the forms that an async one comes in.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::{ToTokens, TokenStreamExt as _, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{
    AttrStyle, Attribute, Block, Expr, ExprAsync, ExprCall, GenericArgument, Ident, Local, Pat,
    PatIdent, PathArguments, PathSegment, ReturnType, Signature, Stmt, Type, Visibility, token,
};

use crate::captures::{self, names_in};
use crate::tokens::here;

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
    /// The user's own statements, in braces.
    pub(crate) statements: TokenStream,
    /// What they result in; `_` where it is not told.
    pub(crate) output: Type,
    /// What `self` is called here.
    pub(crate) receiver: Option<Ident>,
    /// The patterns of the bindings that `#[async_trait]` makes before them, outside of the lock.
    pub(crate) bindings: Vec<Pat>,
    around: Around,
}

/// What a function is made of, as far as it matters for who owns the arguments.
pub(crate) enum Form {
    /// `async fn`
    AsyncFn,
    /// A method in `#[async_trait]`
    AsyncTrait,
    /// A function that returns its future, which owns what it names if it is `async move`.
    Future { owns: bool },
}

impl Core {
    pub(crate) fn form(&self) -> Form {
        match &self.around {
            Around::AsyncFn => Form::AsyncFn,
            Around::Future {
                wrapped: Wrapped::Not,
                block,
                ..
            } => Form::Future {
                owns: block.capture.is_some(),
            },
            Around::Future { .. } => Form::AsyncTrait,
        }
    }
}

enum Around {
    /// `async fn f() -> T { .. }`
    AsyncFn,
    /// `fn f() -> impl Future<Output = T> { async move { .. } }`, boxed or not, after `leading` statements.
    Future {
        leading: Vec<Stmt>,
        make: Option<Box<Expr>>,
        wrapped: Wrapped,
        block: ExprAsync,
    },
}

/// Whether the user's statements stand in what `#[async_trait]` made of them, and where that stands in the future.
enum Wrapped {
    Not,
    Here,
    /// Another attribute has wrapped it, as `#[instrument]` does.
    Deeper,
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
        Ok(Self {
            attrs,
            vis,
            sig,
            brace,
            body: body.parse()?,
        })
    }
}

impl Function {
    /// Finds the user's statements; an error where the function is not async in any form.
    pub(crate) fn core(&self) -> syn::Result<Core> {
        if self.sig.asyncness.is_some() {
            return Ok(Core {
                statements: braced(&self.brace, &self.body),
                output: match &self.sig.output {
                    ReturnType::Default => syn::parse_quote!(()),
                    ReturnType::Type(_, ty) => (**ty).clone(),
                },
                receiver: None,
                bindings: Vec::new(),
                around: Around::AsyncFn,
            });
        }
        self.future()
            .ok_or_else(|| syn::Error::new(self.sig.fn_token.span, self.not_async()))
    }

    /// Why no async body was found, and what to write.
    fn not_async(&self) -> &'static str {
        let mut names = BTreeSet::new();
        names_in(self.body.clone(), &mut names);
        let has = |name: &str| names.contains(name);
        if has("block_on") {
            return "the attribute above has made this function synchronous, as `#[tokio::main]` and `#[tokio::test]` do; \
                    write `#[redlock(...)]` above it";
        }
        if has("async") || has("Box") {
            return "`#[redlock]` finds no async block at the end of this function; write `async fn`, or end with one \
                    block that holds it all: `Box::pin(async move { if ... { ... } else { ... } })`";
        }
        "`#[redlock]` needs an `async fn`: a lock is waited for without blocking the thread"
    }

    /// A function that ends in an async block.
    fn future(&self) -> Option<Core> {
        let mut leading =
            syn::parse::Parser::parse2(Block::parse_within, self.body.clone()).ok()?;
        let Some(Stmt::Expr(last, None)) = leading.pop() else {
            return None;
        };
        let (make, block) = match last {
            Expr::Async(block) => (None, block),
            Expr::Call(ExprCall { func, args, .. })
                if ends_in_box_pin(&func) && args.len() == 1 =>
            {
                match args.into_iter().next() {
                    Some(Expr::Async(block)) => (Some(func), block),
                    _ => return None,
                }
            }
            _ => return None,
        };
        let output = output_of_future(&self.sig.output);
        let deeper = find_async_trait_form(&block.block);
        let (wrapped, (before, inner)) = if let Some(form) = async_trait_form(&block.block.stmts) {
            (Wrapped::Here, form)
        } else if let Some(form) = deeper
            .as_ref()
            .and_then(|block| async_trait_form(&block.stmts))
        {
            (Wrapped::Deeper, form)
        } else {
            (Wrapped::Not, (&[][..], &block.block))
        };
        let statements = braced(&inner.brace_token, &tokens(&inner.stmts));
        Some(Core {
            statements,
            output,
            receiver: renamed_receiver(before),
            bindings: patterns(before),
            around: Around::Future {
                leading,
                make,
                wrapped,
                block,
            },
        })
    }

    /// Gives names to arguments that have none, so that the body can own them.
    pub(crate) fn name_wildcards(&mut self) {
        if self.sig.asyncness.is_some() {
            captures::name_wildcards(&mut self.sig, &self.attrs);
        }
    }

    /// The same function with another body.
    pub(crate) fn with_body(&self, core: &Core, body: &TokenStream) -> TokenStream {
        match &core.around {
            Around::AsyncFn => self.emit(body),
            Around::Future {
                leading,
                make,
                wrapped,
                block,
            } => {
                let ExprAsync {
                    attrs,
                    async_token,
                    capture,
                    block,
                    ..
                } = block;
                let block = match wrapped {
                    Wrapped::Not => quote!({ #body }),
                    Wrapped::Here => within(block.clone(), body).into_token_stream(),
                    Wrapped::Deeper => within_deeper(block.clone(), body).into_token_stream(),
                };
                let future = quote!(#(#attrs)* #async_token #capture #block);
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
        let (inner, outer): (Vec<_>, Vec<_>) = self
            .attrs
            .iter()
            .partition(|attr| matches!(attr.style, AttrStyle::Inner(_)));
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
    let mut names = path
        .path
        .segments
        .iter()
        .rev()
        .map(|segment| &segment.ident);
    names.next().is_some_and(|name| name == "pin") && names.next().is_some_and(|name| name == "Box")
}

/// The block with what `#[async_trait]` left, where an attribute that was expanded in between has wrapped it, as
/// `#[instrument]` does. Only one with names of its own making.
fn find_async_trait_form(block: &Block) -> Option<Block> {
    struct Find(Option<Block>);
    impl<'ast> Visit<'ast> for Find {
        fn visit_block(&mut self, block: &'ast Block) {
            if self.0.is_none() && is_made(block) {
                self.0 = Some(block.clone());
            }
            if self.0.is_none() {
                visit::visit_block(self, block);
            }
        }
    }
    let mut find = Find(None);
    visit::visit_block(&mut find, block);
    find.0
}

/// What `#[async_trait]` left, with other statements in place of the user's.
fn within(mut block: Block, statements: &TokenStream) -> Block {
    let body = block.stmts.iter_mut().rev().find_map(|stmt| match stmt {
        Stmt::Local(local) => local.init.as_mut(),
        _ => None,
    });
    if let Some(body) = body {
        *body.expr = Expr::Verbatim(quote!({ #statements }));
    }
    block
}

/// The same where it stands deeper in the block.
fn within_deeper(mut block: Block, statements: &TokenStream) -> Block {
    struct Replace<'a>(Option<&'a TokenStream>);
    impl VisitMut for Replace<'_> {
        fn visit_block_mut(&mut self, block: &mut Block) {
            if let Some(statements) = self.0.take_if(|_| is_made(block)) {
                *block = within(block.clone(), statements);
            } else if self.0.is_some() {
                visit_mut::visit_block_mut(self, block);
            }
        }
    }
    visit_mut::visit_block_mut(&mut Replace(Some(statements)), &mut block);
    block
}

fn is_made(block: &Block) -> bool {
    async_trait_form(&block.stmts).is_some_and(|(before, _)| {
        let made =
            |pat: &PatIdent| pat.ident == "__self" || pat.ident.to_string().starts_with("__arg");
        let returns =
            matches!(block.stmts.last(), Some(Stmt::Expr(value, None)) if is_name(value, "__ret"));
        returns
            || before
                .iter()
                .any(|stmt| matches!(stmt, Stmt::Local(local) if any_name(local, made)))
    })
}

/// Whether a binding, or one in the block that it is made of, is such a name.
fn any_name(local: &Local, made: impl Fn(&PatIdent) -> bool) -> bool {
    let inner = match local.init.as_ref().map(|init| &*init.expr) {
        Some(Expr::Block(block)) => match block.block.stmts.first() {
            Some(Stmt::Local(inner)) => Some(&inner.pat),
            _ => None,
        },
        _ => None,
    };
    [Some(&local.pat), inner]
        .into_iter()
        .flatten()
        .any(|pat| matches!(pat, Pat::Ident(pat) if made(pat)))
}

/// What `#[async_trait]` leaves: bindings, then `let __ret: T = { the user's body }; __ret`, or
/// `let _: () = { the user's body };` where nothing is returned.
///
/// Anything that is not exactly so is the user's, and runs under the lock as a whole.
fn async_trait_form(stmts: &[Stmt]) -> Option<(&[Stmt], &Block)> {
    let (body, before, returned) = match stmts {
        [before @ .., Stmt::Local(body), Stmt::Expr(value, None)] if is_name(value, "__ret") => {
            (body, before, true)
        }
        [before @ .., Stmt::Local(body)] => (body, before, false),
        _ => return None,
    };
    let made = match &body.pat {
        Pat::Type(typed) => match &*typed.pat {
            Pat::Ident(pat) => returned && pat.ident == "__ret",
            pat => !returned && matches!(pat, Pat::Wild(_)),
        },
        _ => false,
    };
    let bindings = match before {
        [Stmt::Expr(Expr::If(_), None), bindings @ ..] if returned => bindings,
        bindings => bindings,
    };
    match &*body.init.as_ref()?.expr {
        Expr::Block(block) if made && block.label.is_none() && bindings.iter().all(is_binding) => {
            Some((before, &block.block))
        }
        _ => None,
    }
}

/// `let x = x;`, `let __self = self;`, `let __arg1 = __arg1;` or `let (a, b) = { let __arg1 = __arg1; __arg1 };`
fn is_binding(stmt: &Stmt) -> bool {
    let Stmt::Local(local) = stmt else {
        return false;
    };
    let Some(init) = &local.init else {
        return false;
    };
    match (&local.pat, &*init.expr) {
        (Pat::Ident(pat), value @ Expr::Path(_)) => {
            is_name(value, &pat.ident.to_string())
                || (pat.ident == "__self" && is_name(value, "self"))
        }
        (_, Expr::Block(block)) => match &*block.block.stmts {
            [inner, Stmt::Expr(Expr::Path(value), None)] => {
                let name = value.path.get_ident().map(ToString::to_string);
                name.is_some_and(|name| name.starts_with("__arg")) && is_binding(inner)
            }
            _ => false,
        },
        _ => false,
    }
}

fn is_name(value: &Expr, name: &str) -> bool {
    matches!(value, Expr::Path(value) if value.path.is_ident(name))
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

fn patterns(before: &[Stmt]) -> Vec<Pat> {
    let pattern = |stmt: &Stmt| match stmt {
        Stmt::Local(local) => Some(local.pat.clone()),
        _ => None,
    };
    before.iter().filter_map(pattern).collect()
}

/// The `T` of `Future<Output = T>` or `BoxFuture<'_, T>`, wherever it stands in the return type.
fn output_of_future(output: &ReturnType) -> Type {
    struct Find(Option<Type>);
    impl<'ast> Visit<'ast> for Find {
        fn visit_path_segment(&mut self, segment: &'ast PathSegment) {
            if segment.ident == "BoxFuture" || segment.ident == "LocalBoxFuture" {
                if let PathArguments::AngleBracketed(arguments) = &segment.arguments
                    && let Some(GenericArgument::Type(output)) = arguments.args.last()
                    && self.0.is_none()
                {
                    self.0 = Some(output.clone());
                }
                return;
            }
            visit::visit_path_segment(self, segment);
        }

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
    let span = here(brace.span.join());
    quote_spanned!(span=> { #body })
}

fn tokens(stmts: &[Stmt]) -> TokenStream {
    let mut tokens = TokenStream::new();
    tokens.append_all(stmts);
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(body: &TokenStream) -> Option<usize> {
        let block: Block = syn::parse_quote!({ #body });
        async_trait_form(&block.stmts).map(|(before, _)| before.len())
    }

    #[test]
    fn only_what_async_trait_writes_runs_before_the_lock() {
        let unit = quote! {
            let mut __self = self;
            let x = x;
            let (a, b) = { let __arg1 = __arg1; __arg1 };
            let _: () = { __self.f(x, a, b).await; };
        };
        assert_eq!(before(&unit), Some(3));
        let value = quote! {
            if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<u8> { return __ret; }
            let __self = self;
            let __ret: u8 = { 1 };
            __ret
        };
        assert_eq!(before(&value), Some(2));

        for own in [
            quote! { let x = read().await; let _: () = { write(x).await; }; },
            quote! { work(); let _: () = { 1; }; },
            quote! { let y = x; let _: () = { 1; }; },
            quote! { let x = { let z = work(); z }; let _: () = { 1; }; },
            quote! { if x { work(); } let _: () = { 1; }; },
            quote! { let __ret: u8 = { 1 }; x },
            quote! { let _: () = work(); },
        ] {
            assert_eq!(before(&own), None, "{own}");
        }
    }
}
