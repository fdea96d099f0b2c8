//! One name for one option: on the request, on both layers, and in the attribute.

use std::{collections::BTreeSet, fs, path::Path};

use syn::{Fields, ImplItem, Item, Visibility};

/// Options that a place does not have, and why.
const WITHOUT: &[(&str, &str, &str)] = &[
    (
        "LockRequest",
        "dedupe_for",
        "`Guard::cool_down` ends a lock with it",
    ),
    (
        "LockRequest",
        "permits",
        "`Redlock::semaphore` makes such a request",
    ),
    (
        "LockRequest",
        "read",
        "`Redlock::rwlock` makes such a request",
    ),
    (
        "LockRequest",
        "write",
        "`Redlock::rwlock` makes such a request",
    ),
    (
        "RedlockLayer",
        "fencing",
        "recorded responses need the token",
    ),
    ("RedlockLayer", "fail_fast", "`fail_open` implies it"),
    (
        "LockLayer",
        "fencing",
        "a setting of the client, as for `RedlockLayer`",
    ),
    ("LockLayer", "fail_fast", "`fail_open` implies it"),
];

#[test]
fn an_option_has_one_name_everywhere() {
    let options = fields(&items("redlock/src/lock/options.rs"), "LockOptions");
    let places = [
        (
            "LockRequest",
            methods(&items("redlock/src/lock/request.rs")),
        ),
        (
            "RedlockLayer",
            methods(&items("redlock-tower/src/http/options.rs")),
        ),
        (
            "LockLayer",
            methods(&items("redlock-tower/src/lock/layer.rs")),
        ),
        (
            "the attribute",
            rows(&text("redlock-macros/src/args/options.rs")),
        ),
    ];
    let mut wrong = Vec::new();
    for (place, names) in &places {
        for option in &options {
            let reason = WITHOUT
                .iter()
                .find(|(other, name, _)| other == place && name == option);
            match (names.contains(option), reason) {
                (false, None) => wrong.push(format!("{place} lacks `{option}`")),
                (true, Some(_)) => wrong.push(format!("{place} has `{option}` after all")),
                _ => {}
            }
        }
    }
    assert!(
        !options.is_empty() && wrong.is_empty(),
        "add the method, or the row in the attribute's table, or list the place in `WITHOUT` with the reason: {wrong:#?}"
    );
}

fn text(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(file)).expect("a source file")
}

fn items(file: &str) -> Vec<Item> {
    syn::parse_file(&text(file)).expect("Rust").items
}

fn fields(items: &[Item], of: &str) -> BTreeSet<String> {
    let found = items.iter().find_map(|item| match item {
        Item::Struct(item) if item.ident == of => Some(&item.fields),
        _ => None,
    });
    match found {
        Some(Fields::Named(fields)) => {
            let names = fields.named.iter().filter_map(|field| field.ident.as_ref());
            names.map(ToString::to_string).collect()
        }
        _ => BTreeSet::new(),
    }
}

/// The public methods of a file, whatever their types.
fn methods(items: &[Item]) -> BTreeSet<String> {
    let impls = items.iter().filter_map(|item| match item {
        Item::Impl(item) => Some(&item.items),
        _ => None,
    });
    let public = impls.flatten().filter_map(|item| match item {
        ImplItem::Fn(item) if matches!(item.vis, Visibility::Public(_)) => Some(&item.sig.ident),
        _ => None,
    });
    public.map(ToString::to_string).collect()
}

/// The names in the table of the attribute: `ttl, "ttl": Time {`.
fn rows(table: &str) -> BTreeSet<String> {
    let names = table.lines().filter_map(|line| {
        let (name, rest) = line.trim().split_once(", \"")?;
        rest.starts_with(&format!("{name}\":"))
            .then(|| name.to_owned())
    });
    names.collect()
}
