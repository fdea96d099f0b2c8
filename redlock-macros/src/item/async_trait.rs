//! Recognizes what `#[async_trait]` writes around the user's statements. Anything else belongs to the user, and runs under the
//! lock as a whole.

use proc_macro2::TokenStream;
use quote::quote;
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, Ident, Local, Pat, PatIdent, Stmt};

/// The bindings and the user's block in `let x = x; let __ret: T = { .. }; __ret`, or in `let x = x; let _: () = { .. };`
/// where nothing is returned.
pub(super) fn split(stmts: &[Stmt]) -> Option<(&[Stmt], &Block)> {
    let (body, before, returned) = match stmts {
        [before @ .., Stmt::Local(body), Stmt::Expr(value, None)] if is_name(value, "__ret") => {
            (body, before, true)
        }
        [before @ .., Stmt::Local(body)] => (body, before, false),
        _ => return None,
    };
    let generated = match &body.pat {
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
        Expr::Block(block)
            if generated && block.label.is_none() && bindings.iter().all(is_binding) =>
        {
            Some((before, &block.block))
        }
        _ => None,
    }
}

/// Finds the block if another attribute, such as `#[instrument]`, has wrapped it. Only generated names prove that it is one.
pub(super) fn find(block: &Block) -> Option<Block> {
    struct Find(Option<Block>);
    impl<'ast> Visit<'ast> for Find {
        fn visit_block(&mut self, block: &'ast Block) {
            if self.0.is_none() && has_generated_names(block) {
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

/// The block with other statements in place of the user's.
pub(super) fn replace(mut block: Block, statements: &TokenStream) -> Block {
    let body = block.stmts.iter_mut().rev().find_map(|stmt| match stmt {
        Stmt::Local(local) => local.init.as_mut(),
        _ => None,
    });
    if let Some(body) = body {
        *body.expr = Expr::Verbatim(quote!({ #statements }));
    }
    block
}

/// The same if another attribute has wrapped the block.
pub(super) fn replace_wrapped(mut block: Block, statements: &TokenStream) -> Block {
    struct Replace<'a>(Option<&'a TokenStream>);
    impl VisitMut for Replace<'_> {
        fn visit_block_mut(&mut self, block: &mut Block) {
            if let Some(statements) = self.0.take_if(|_| has_generated_names(block)) {
                *block = replace(block.clone(), statements);
            } else if self.0.is_some() {
                visit_mut::visit_block_mut(self, block);
            }
        }
    }
    visit_mut::visit_block_mut(&mut Replace(Some(statements)), &mut block);
    block
}

/// The name of `self` in the body, from `let __self = self;`.
pub(super) fn receiver(bindings: &[Stmt]) -> Option<Ident> {
    patterns(bindings).into_iter().find_map(|pat| match pat {
        Pat::Ident(pat) if pat.ident == "__self" => Some(pat.ident),
        _ => None,
    })
}

/// The patterns of the bindings.
pub(super) fn patterns(bindings: &[Stmt]) -> Vec<Pat> {
    let pattern = |stmt: &Stmt| match stmt {
        Stmt::Local(local) => Some(local.pat.clone()),
        _ => None,
    };
    bindings.iter().filter_map(pattern).collect()
}

fn has_generated_names(block: &Block) -> bool {
    let generated = |pat: &Pat| match pat {
        Pat::Ident(PatIdent { ident, .. }) => {
            ident == "__self" || ident.to_string().starts_with("__arg")
        }
        _ => false,
    };
    let returns =
        matches!(block.stmts.last(), Some(Stmt::Expr(value, None)) if is_name(value, "__ret"));
    split(&block.stmts).is_some_and(|(before, _)| {
        let binds = |stmt: &Stmt| match stmt {
            Stmt::Local(local) => {
                generated(&local.pat) || inner_pattern(local).is_some_and(generated)
            }
            _ => false,
        };
        returns || before.iter().any(binds)
    })
}

/// The `__arg1` of `let (a, b) = { let __arg1 = __arg1; __arg1 };`.
fn inner_pattern(local: &Local) -> Option<&Pat> {
    match local.init.as_ref().map(|init| &*init.expr) {
        Some(Expr::Block(block)) => match block.block.stmts.first() {
            Some(Stmt::Local(inner)) => Some(&inner.pat),
            _ => None,
        },
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

#[cfg(test)]
mod tests {
    use super::*;

    fn before(body: &TokenStream) -> Option<usize> {
        let block: Block = syn::parse_quote!({ #body });
        split(&block.stmts).map(|(before, _)| before.len())
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
