//! Hints: what compiles and may be meant, and most often is not. Warnings of the lint `deprecated`, the only one that a
//! macro can raise; each says how it is silenced.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::{FnArg, Ident, Pat, Type, TypePath};

use crate::attr::Args;
use crate::function::{Core, Form, Function};
use crate::key::Key;
use crate::tokens::here;
use crate::value::Time;

/// The `max_ttl` of a client that sets none.
const MAX_TTL: Duration = Duration::from_secs(60);

/// The statements that raise the hints.
pub(crate) fn statements(args: &Args, function: &Function, core: &Core) -> TokenStream {
    let mut statements = TokenStream::new();
    if let Some(Key::Template(template)) = &args.key
        && args.fire.is_none()
        && let Some(span) = template.plain()
        && let Some(name) = identifying(function, core)
    {
        let note = format!(
            "all calls have this key, whatever `{name}` is; an argument is written `{{{name}}}`. If one lock for all is \
             meant, write `key = const \"...\"`"
        );
        statements.extend(hint("ONE_KEY_FOR_ALL_ARGUMENTS", span, &note));
    }
    if let Some(Time::Literal(length, span)) = &args.ttl
        && *length > MAX_TTL
    {
        let note = "a client refuses a ttl above its `max_ttl`, which is 60 s unless it was built with another. The lock is \
                    renewed while the body runs, so that \"30s\" will do for a job of hours; `max_hold` bounds the job. If \
                    the client's `max_ttl` is as long as that, write the ttl as a `Duration`";
        statements.extend(hint("TTL_ABOVE_THE_DEFAULT_MAX_TTL", *span, note));
    }
    statements
}

/// The use of something deprecated, at the place that the hint is about.
fn hint(name: &str, span: Span, note: &str) -> TokenStream {
    let span = here(span);
    let name = Ident::new(name, Span::mixed_site().located_at(span));
    quote_spanned! {span=>
        {
            #[deprecated(note = #note)]
            const #name: u8 = 0;
            let _ = #name;
        }
    }
}

/// The first argument that tells one call from another by its type: a number, a text, an identifier; not a handle.
fn identifying(function: &Function, core: &Core) -> Option<String> {
    if matches!(core.form(), Form::AsyncTrait) {
        return None;
    }
    function.sig.inputs.iter().find_map(|input| match input {
        FnArg::Typed(typed) if identifies(&typed.ty) => name(&typed.pat),
        _ => None,
    })
}

/// The name that a pattern binds, also within that of an extractor. None where it says that it is not used.
fn name(pat: &Pat) -> Option<String> {
    match pat {
        Pat::Ident(pat) => Some(pat.ident.to_string())
            .filter(|name| !name.starts_with('_') && pat.subpat.is_none()),
        Pat::TupleStruct(pat) => pat.elems.iter().find_map(name),
        Pat::Tuple(pat) => pat.elems.iter().find_map(name),
        _ => None,
    }
}

fn identifies(ty: &Type) -> bool {
    const IDENTIFIES: [&str; 18] = [
        "char", "i128", "i16", "i32", "i64", "i8", "isize", "str", "u128", "u16", "u32", "u64",
        "u8", "usize", "String", "Uuid", "Ulid", "Path",
    ];
    match ty {
        Type::Reference(ty) => identifies(&ty.elem),
        Type::Path(TypePath {
            qself: None, path, ..
        }) => path.segments.last().is_some_and(|segment| {
            let name = segment.ident.to_string();
            // `std::path::Path` has no arguments, that of axum does.
            let axum = name != "Path" || !segment.arguments.is_none();
            let id = name.ends_with("Id") || name.ends_with("ID");
            id || (axum && IDENTIFIES.contains(&&*name))
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_told_from_a_handle() {
        for ty in [
            "u64",
            "&str",
            "&mut String",
            "Uuid",
            "shop::OrderId",
            "Path<u64>",
            "&'a uuid::Uuid",
        ] {
            let ty: Type = syn::parse_str(ty).expect(ty);
            assert!(identifies(&ty), "{ty:?}");
        }
        for ty in [
            "&App",
            "State<App>",
            "Arc<Pool>",
            "bool",
            "Duration",
            "&Path",
            "Json<Order>",
            "[u8; 4]",
            "f64",
        ] {
            let ty: Type = syn::parse_str(ty).expect(ty);
            assert!(!identifies(&ty), "{ty:?}");
        }
    }
}
