//! Names the parts of arguments that a pattern leaves out, so that the body can own them: they are dropped at the end of the
//! function, like any argument.

use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, FnArg, Pat, PatIdent, PatOr, PatReference, PatRest, PatSlice, PatTuple, PatWild,
    Token, Type,
};

use crate::item::Function;
use crate::spans::local;

/// Replaces each `_`, and each `..` whose length is known, by a name. Not where another attribute is still to read the
/// arguments.
pub(super) fn name(function: &mut Function) {
    if function.sig.asyncness.is_none() || !function.attrs.iter().all(is_inert) {
        return;
    }
    let mut name = Name(0);
    for input in &mut function.sig.inputs {
        if let FnArg::Typed(typed) = input
            && !matches!(&*typed.ty, Type::Reference(_))
        {
            spell_out_rest(&mut typed.pat, &typed.ty);
            name.visit_pat_mut(&mut typed.pat);
        }
    }
}

/// Replaces the `..` of a tuple by one `_` for each element that it stands for.
fn spell_out_rest(pat: &mut Pat, ty: &Type) {
    let (Pat::Tuple(PatTuple { elems, .. }), Type::Tuple(ty)) = (pat, ty) else {
        return;
    };
    let is_rest = |pat: &Pat| matches!(pat, Pat::Rest(rest) if rest.attrs.is_empty());
    if let Some(at) = elems.iter().position(is_rest)
        && let Some(count) = (ty.elems.len() + 1).checked_sub(elems.len())
    {
        let mut spelt_out: Vec<Pat> = std::mem::take(elems).into_iter().collect();
        let wild = Pat::Wild(PatWild {
            attrs: Vec::new(),
            underscore_token: <Token![_]>::default(),
        });
        spelt_out.splice(at..=at, std::iter::repeat_n(wild, count));
        elems.extend(spelt_out);
        if elems.len() == 1 {
            elems.push_punct(<Token![,]>::default());
        }
    }
    for (elem, ty) in elems.iter_mut().zip(&ty.elems) {
        spell_out_rest(elem, ty);
    }
}

/// Gives names to `_`, counting them.
struct Name(usize);

impl Name {
    fn next(&mut self) -> PatIdent {
        self.0 += 1;
        PatIdent {
            attrs: Vec::new(),
            by_ref: None,
            mutability: None,
            ident: local(&format!("_unnamed{}", self.0)),
            subpat: None,
        }
    }
}

impl VisitMut for Name {
    fn visit_pat_mut(&mut self, pat: &mut Pat) {
        if let Pat::Wild(PatWild { attrs, .. }) = pat
            && attrs.is_empty()
        {
            *pat = Pat::Ident(self.next());
        } else {
            visit_mut::visit_pat_mut(self, pat);
        }
    }

    /// The `..` of an array is a value of its own: `rest @ ..`.
    fn visit_pat_slice_mut(&mut self, pat: &mut PatSlice) {
        for elem in &mut pat.elems {
            match elem {
                Pat::Rest(PatRest { attrs, .. }) if attrs.is_empty() => {
                    let subpat = Some((<Token![@]>::default(), Box::new(elem.clone())));
                    *elem = Pat::Ident(PatIdent {
                        subpat,
                        ..self.next()
                    });
                }
                elem => self.visit_pat_mut(elem),
            }
        }
    }

    /// Nothing can be moved out from behind a reference.
    fn visit_pat_reference_mut(&mut self, _: &mut PatReference) {}

    /// Nothing has to be moved out of a value that has a name as a whole.
    fn visit_pat_ident_mut(&mut self, _: &mut PatIdent) {}

    /// Each alternative would have to bind the same names.
    fn visit_pat_or_mut(&mut self, _: &mut PatOr) {}
}

/// Whether an attribute leaves the arguments alone: one of the compiler's, or ours.
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
