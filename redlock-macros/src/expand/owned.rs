//! The arguments that the body owns although it does not use them, so that they are dropped at its end, under the lock.

use std::collections::BTreeSet;

use quote::ToTokens as _;
use syn::visit::Visit;
use syn::{Attribute, FnArg, Ident, Pat, PatIdent, ReceiverKind, Signature, Type};

use super::failure;
use crate::args::Args;
use crate::item::{Body, Form, Function};
use crate::names::{names_in, plain};

pub(super) struct Owned {
    /// The last argument first, which is the order in which they are dropped.
    pub(super) arguments: Vec<Argument>,
    /// The names that neither body nor options use. Owning them hides that from the compiler, so the expansion reports it itself.
    pub(super) unused: Vec<Ident>,
}

/// A name that an argument binds.
#[derive(Clone)]
pub(super) struct Argument {
    pub(super) name: Ident,
    /// The conditions under which the argument exists.
    pub(super) cfg: Vec<Attribute>,
    /// Whether it may be unused: it has a lint level or a `cfg`.
    may_be_unused: bool,
}

impl Owned {
    pub(super) fn of(args: &Args, function: &Function, body: &Body) -> Self {
        let arguments = arguments(args, function, body);
        let mut used = args.names();
        names_in(body.statements.clone(), &mut used);
        let is_unused = |argument: &&Argument| {
            let name = plain(&argument.name);
            !argument.may_be_unused
                && !name.starts_with('_')
                && name != "self"
                && !used.contains(&name)
        };
        let unused = match body.form() {
            Form::AsyncFn => arguments
                .iter()
                .filter(is_unused)
                .map(|argument| argument.name.clone())
                .collect(),
            _ => Vec::new(),
        };
        Self { arguments, unused }
    }
}

fn arguments(args: &Args, function: &Function, body: &Body) -> Vec<Argument> {
    let mut arguments = match body.form() {
        Form::AsyncFn => by_value(&function.sig),
        Form::AsyncTrait => bound(&body.bindings, &[], false),
        // The user's block owns what it uses. The expansion has to own what only the options use.
        Form::Future { owns: true } => {
            let used = args.names();
            let mut arguments = by_value(&function.sig);
            arguments.retain(|argument| used.contains(&plain(&argument.name)));
            arguments
        }
        Form::Future { owns: false } => Vec::new(),
    };
    // A closure that is called after the body has ended keeps what it uses.
    if let Some(make) = failure::in_place(args) {
        let mut used = BTreeSet::new();
        names_in(make.to_token_stream(), &mut used);
        let renamed = |name: &Ident| body.receiver.as_ref() == Some(name) && used.contains("self");
        arguments.retain(|Argument { name, .. }| !used.contains(&plain(name)) && !renamed(name));
    }
    arguments.reverse();
    arguments
}

/// The names that are bound by value, unless dropping them has no effect.
fn by_value(signature: &Signature) -> Vec<Argument> {
    let mut arguments = Vec::new();
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(receiver) if is_owned(&receiver.kind) => arguments.push(Argument {
                name: receiver.self_token.into(),
                cfg: Vec::new(),
                may_be_unused: false,
            }),
            // An `expect` of a lint needs its argument to stay unused.
            FnArg::Typed(typed) if !is_plain(&typed.ty) && !has(&typed.attrs, &["expect"]) => {
                let is_cfg = |attr: &&Attribute| is_one(attr, &["cfg", "cfg_attr"]);
                let cfg: Vec<_> = typed.attrs.iter().filter(is_cfg).cloned().collect();
                let may_be_unused = has(&typed.attrs, &["allow", "cfg", "cfg_attr"]);
                arguments.extend(bound([&*typed.pat], &cfg, may_be_unused));
            }
            _ => {}
        }
    }
    arguments
}

fn has(attrs: &[Attribute], names: &[&str]) -> bool {
    attrs.iter().any(|attr| is_one(attr, names))
}

fn is_one(attr: &Attribute, names: &[&str]) -> bool {
    names.iter().any(|name| attr.path().is_ident(name))
}

/// References and numbers: dropping them has no effect, and mentioning them would raise a lint.
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

/// The names that patterns bind.
fn bound<'a>(
    patterns: impl IntoIterator<Item = &'a Pat>,
    cfg: &[Attribute],
    may_be_unused: bool,
) -> Vec<Argument> {
    let mut names = Names::default();
    for pattern in patterns {
        names.visit_pat(pattern);
    }
    let argument = |name| Argument {
        name,
        cfg: cfg.to_vec(),
        may_be_unused,
    };
    names.0.into_iter().map(argument).collect()
}

#[derive(Default)]
struct Names(Vec<Ident>);

impl<'ast> Visit<'ast> for Names {
    fn visit_pat_ident(&mut self, pat: &'ast PatIdent) {
        self.0.push(pat.ident.clone());
        syn::visit::visit_pat_ident(self, pat);
    }
}
