//! Hints about code that compiles but is probably a mistake. They are warnings of the lint `deprecated`, the only one that a
//! macro can raise; each says how to silence it.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::{FnArg, Ident, Pat, Type, TypePath};

use super::source::Source;
use crate::args::{Key, Time};
use crate::item::{Form, Function};
use crate::spans::here;

/// The default `max_ttl` of a client.
const MAX_TTL: Duration = Duration::from_secs(60);

/// The statements that raise the hints.
pub(super) fn statements(source: &Source<'_>) -> TokenStream {
    let mut statements = TokenStream::new();
    statements.extend(constant_key(source));
    statements.extend(long_ttl(source));
    statements
}

/// A key that is the same for all calls, although an argument identifies something.
fn constant_key(source: &Source<'_>) -> Option<TokenStream> {
    let options = &source.args.options;
    let Some(Key::Template(template)) = &options.key else {
        return None;
    };
    if options.fire.is_some()
        || !template.is_constant()
        || matches!(source.body.form(), Form::AsyncTrait)
    {
        return None;
    }
    let name = identifying(source.function)?;
    let note = format!(
        "all calls have this key, whatever `{name}` is; write `{{{name}}}` for the argument, or `key = const \"...\"` if one \
         lock for all calls is meant"
    );
    Some(hint("ONE_KEY_FOR_ALL_ARGUMENTS", template.span, &note))
}

/// A ttl that a client rejects by default.
fn long_ttl(source: &Source<'_>) -> Option<TokenStream> {
    let Some(Time::Literal(length, span)) = source.args.options.ttl else {
        return None;
    };
    let note = "a client rejects a ttl above its `max_ttl`, which is 60 s by default. The lock is renewed while the body \
                runs, so \"30s\" is enough for a job of hours; `max_hold` limits the job. If the client's `max_ttl` is \
                that long, write the ttl as a `Duration`";
    (length > MAX_TTL).then(|| hint("TTL_ABOVE_THE_DEFAULT_MAX_TTL", span, note))
}

/// Uses a deprecated constant at the place that the hint is about.
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

/// The first argument that identifies something by its type: a number, a text, an id; not a handle.
fn identifying(function: &Function) -> Option<String> {
    function.sig.inputs.iter().find_map(|input| match input {
        FnArg::Typed(typed) if identifies(&typed.ty) => name(&typed.pat),
        _ => None,
    })
}

/// The name that a pattern binds, also within that of an extractor. `None` if it begins with `_`.
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
            // Axum's `Path` has type arguments, that of `std` has none.
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
    fn identifiers_are_distinguished_from_handles() {
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
