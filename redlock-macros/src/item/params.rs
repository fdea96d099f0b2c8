//! The names that the arguments of a function bind, which a key can use.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};
use syn::{FnArg, Pat, PatIdent};

use super::body::{Body, Form};
use super::function::Function;

pub(crate) struct Params {
    names: BTreeSet<String>,
    /// There may be other names, which only the compiler knows.
    open: bool,
}

impl Params {
    /// The names in the body of the function, as far as they are known.
    pub(crate) fn of(function: &Function, body: Option<&Body>) -> Self {
        let mut params = Self {
            names: BTreeSet::new(),
            // `#[async_trait]` has renamed some arguments.
            open: body.is_some_and(|body| matches!(body.form(), Form::AsyncTrait)),
        };
        for input in &function.sig.inputs {
            match input {
                FnArg::Receiver(_) => {
                    params.names.insert("self".into());
                }
                FnArg::Typed(typed) => params.visit_pat(&typed.pat),
            }
        }
        params
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Whether the name is certain not to exist.
    pub(crate) fn lacks(&self, name: &str) -> bool {
        !self.open && !self.names.contains(name)
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
        let function: Function = syn::parse_quote! {
            fn f(&self, State(app): State<App>, Path((user, order)): Path<(u8, u8)>, S { x, y: [z, ..], .. }: S) {}
        };
        let params = Params::of(&function, None);
        let names: Vec<_> = params.names().collect();
        assert_eq!(names, ["app", "order", "self", "user", "x", "z"]);
    }
}
