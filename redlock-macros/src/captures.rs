//! What the body owns although it does not name it: the arguments, which are dropped at its end, under the lock.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::visit::Visit;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, FnArg, Ident, Pat, PatIdent, PatOr, PatReference, PatWild, ReceiverKind, Signature,
    Type,
};

use crate::attr::Args;
use crate::function::{Core, Form, Function};
use crate::returns::is_inline;
use crate::tokens::local;

/// What the body is made to own.
pub(crate) struct Owned {
    /// The last argument first: in this order they are dropped.
    pub(crate) names: Vec<Argument>,
    /// Those that nobody names: what owns them hides that from the compiler, so it is told in another way.
    pub(crate) unused: Vec<Ident>,
}

/// A name that an argument binds, where there is one under the `#[cfg]` that stands on it.
#[derive(Clone)]
pub(crate) struct Argument {
    pub(crate) name: Ident,
    pub(crate) cfg: Vec<Attribute>,
    /// Whether it may be unused without a word: a lint level or a `cfg` stands on it.
    allowed: bool,
}

impl Owned {
    pub(crate) fn of(args: &Args, function: &Function, core: &Core) -> Self {
        let names = names(args, function, core);
        let mut named = args.names();
        names_in(core.statements.clone(), &mut named);
        let is_unused = |argument: &&Argument| {
            let name = argument.name.to_string();
            !argument.allowed && !name.starts_with('_') && name != "self" && !named.contains(&name)
        };
        let unused = match core.form() {
            Form::AsyncFn => names.iter().filter(is_unused),
            _ => [].iter().filter(is_unused),
        };
        Self {
            unused: unused.map(|argument| argument.name.clone()).collect(),
            names,
        }
    }
}

fn names(args: &Args, function: &Function, core: &Core) -> Vec<Argument> {
    let mut names = match core.form() {
        Form::AsyncFn => arguments(&function.sig),
        Form::AsyncTrait => bound(&core.bindings, &[], false),
        // The user's block owns what it names, and nothing else: what the options name on top of that is theirs.
        Form::Future { owns: true } => {
            let named = args.names();
            let mut names = arguments(&function.sig);
            names.retain(|argument| named.contains(&argument.name.to_string()));
            names
        }
        Form::Future { owns: false } => Vec::new(),
    };
    // What a closure uses after the body has ended cannot be the body's.
    if let Some(make) = args.on_error.as_ref().filter(|make| is_inline(make)) {
        let mut used = BTreeSet::new();
        names_in(make.to_token_stream(), &mut used);
        let renamed = |name: &Ident| core.receiver.as_ref() == Some(name) && used.contains("self");
        names.retain(|Argument { name, .. }| !used.contains(&name.to_string()) && !renamed(name));
    }
    names.reverse();
    names
}

/// The names that are bound by value, as far as dropping them does something.
fn arguments(signature: &Signature) -> Vec<Argument> {
    let mut names = Vec::new();
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(receiver) if is_owned(&receiver.kind) => {
                names.push(Argument {
                    name: receiver.self_token.into(),
                    cfg: Vec::new(),
                    allowed: false,
                });
            }
            // An expectation of a lint is met where it stands, by an argument that nobody names.
            FnArg::Typed(typed) if !is_plain(&typed.ty) && !has(&typed.attrs, &["expect"]) => {
                let is_cfg = |attr: &&Attribute| is_one(attr, &["cfg", "cfg_attr"]);
                let cfg: Vec<_> = typed.attrs.iter().filter(is_cfg).cloned().collect();
                let allowed = has(&typed.attrs, &["allow", "cfg", "cfg_attr"]);
                names.extend(bound([&*typed.pat], &cfg, allowed));
            }
            _ => {}
        }
    }
    names
}

fn has(attrs: &[Attribute], names: &[&str]) -> bool {
    attrs.iter().any(|attr| is_one(attr, names))
}

fn is_one(attr: &Attribute, names: &[&str]) -> bool {
    names.iter().any(|name| attr.path().is_ident(name))
}

/// References and numbers: nothing happens when they are dropped. To own them in vain would be a lint of its own.
fn is_plain(ty: &Type) -> bool {
    const PLAIN: [&str; 16] = [
        "bool", "char", "f32", "f64", "i128", "i16", "i32", "i64", "i8", "isize", "u128", "u16",
        "u32", "u64", "u8", "usize",
    ];
    match ty {
        Type::Reference(_) => true,
        Type::Path(ty) => PLAIN.iter().any(|plain| ty.path.is_ident(plain)),
        _ => false,
    }
}

fn is_owned(receiver: &ReceiverKind) -> bool {
    match receiver {
        ReceiverKind::Value => true,
        ReceiverKind::Typed(_, ty) => !matches!(&**ty, Type::Reference(_)),
        _ => false,
    }
}

fn bound<'a>(
    patterns: impl IntoIterator<Item = &'a Pat>,
    cfg: &[Attribute],
    allowed: bool,
) -> Vec<Argument> {
    let mut names = Bound::default();
    for pattern in patterns {
        names.visit_pat(pattern);
    }
    let argument = |name| Argument {
        name,
        cfg: cfg.to_vec(),
        allowed,
    };
    names.0.into_iter().map(argument).collect()
}

#[derive(Default)]
struct Bound(Vec<Ident>);

impl<'ast> Visit<'ast> for Bound {
    fn visit_pat_ident(&mut self, pat: &'ast PatIdent) {
        // Without `mut` or `ref`, a name that could be one is a constant.
        self.0.push(pat.ident.clone());
        syn::visit::visit_pat_ident(self, pat);
    }
}

/// All names in an expression, also those in the holes of its format strings.
pub(crate) fn names_in(tokens: TokenStream, names: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                names.insert(ident.to_string());
            }
            TokenTree::Group(group) => names_in(group.stream(), names),
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                for hole in text.split('{').skip(1) {
                    let end = hole.find(|c: char| !c.is_alphanumeric() && c != '_');
                    names.insert(hole[..end.unwrap_or(hole.len())].to_owned());
                }
            }
            TokenTree::Punct(_) => {}
        }
    }
}

/// Gives each `_` among the arguments a name, so that the body can own the value: it is dropped at the end of the
/// function, as any argument. Not where another attribute is still to read the arguments.
pub(crate) fn name_wildcards(signature: &mut Signature, attrs: &[Attribute]) {
    struct Name(usize);
    impl VisitMut for Name {
        fn visit_pat_mut(&mut self, pat: &mut Pat) {
            if let Pat::Wild(PatWild { attrs, .. }) = pat
                && attrs.is_empty()
            {
                self.0 += 1;
                *pat = Pat::Ident(PatIdent {
                    attrs: Vec::new(),
                    by_ref: None,
                    mutability: None,
                    ident: local(&format!("_unnamed{}", self.0)),
                    subpat: None,
                });
                return;
            }
            visit_mut::visit_pat_mut(self, pat);
        }

        // Nothing can be moved out from behind a reference.
        fn visit_pat_reference_mut(&mut self, _: &mut PatReference) {}

        // Nor out of what has a name as a whole, which the body owns already.
        fn visit_pat_ident_mut(&mut self, _: &mut PatIdent) {}

        // Each alternative would have to bind the same names.
        fn visit_pat_or_mut(&mut self, _: &mut PatOr) {}
    }
    if !attrs.iter().all(is_inert) {
        return;
    }
    let mut name = Name(0);
    for input in &mut signature.inputs {
        if let FnArg::Typed(typed) = input
            && !matches!(&*typed.ty, Type::Reference(_))
        {
            name.visit_pat_mut(&mut typed.pat);
        }
    }
}

/// Attributes of the compiler, and ours.
fn is_inert(attr: &Attribute) -> bool {
    const INERT: [&str; 16] = [
        "allow",
        "cfg",
        "cfg_attr",
        "clippy",
        "cold",
        "deny",
        "deprecated",
        "diagnostic",
        "doc",
        "expect",
        "forbid",
        "inline",
        "must_use",
        "rustfmt",
        "track_caller",
        "warn",
    ];
    let path = attr.path();
    let first = path.segments.first().map(|segment| &segment.ident);
    let last = path.segments.last().map(|segment| &segment.ident);
    first.is_some_and(|name| INERT.iter().any(|inert| name == inert))
        || last.is_some_and(|name| name == "redlock")
}
