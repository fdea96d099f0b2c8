//! The packages that ours are built with: each is used by whoever names it, and may be used by everybody.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use serde_json::Value;

const DENY: &str = include_str!("../../../deny.toml");

/// Named only for a feature of it.
const FOR_A_FEATURE: &[&str] = &["proc_macro2"];
/// In the tests alone, which nobody ships: drives a browser, under MPL-2.0.
const ONLY_TESTED_WITH: &[&str] = &["webdriver"];

/// What cargo knows of the workspace: its own packages, and with `others` those that they are built with on this platform.
fn packages(others: bool) -> Vec<Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--locked"]);
    match others {
        true => cargo.args(["--all-features", "--filter-platform", &host()]),
        false => cargo.arg("--no-deps"),
    };
    let output = cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo metadata");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().expect("rustc");
    let text = String::from_utf8(output.stdout).expect("text");
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("a host").to_owned()
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}

/// All that the package compiles: its sources, and its documents, which have code that is tested.
fn code(package: &Value) -> Vec<String> {
    let manifest = Path::new(text(package, "manifest_path"));
    let folder = manifest.parent().expect("a folder");
    let mut texts = tests::house::texts(folder);
    for entry in fs::read_dir(folder.join("docs")).into_iter().flatten() {
        let file = entry.expect("an entry").path();
        if file.extension().is_some_and(|extension| extension == "md") {
            texts.push(fs::read_to_string(file).expect("a document"));
        }
    }
    texts
}

#[test]
fn each_dependency_is_used() {
    let mut unused = Vec::new();
    for package in packages(false) {
        let code = code(&package);
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let name = dependency["rename"].as_str();
            let name = name.unwrap_or(text(dependency, "name")).replace('-', "_");
            let paths = [
                format!("{name}::"),
                format!("{name};"),
                format!("{name} as "),
            ];
            let is_used = |text: &String| paths.iter().any(|path| text.contains(path));
            if !FOR_A_FEATURE.contains(&&*name) && !code.iter().any(is_used) {
                unused.push(format!("{}: {name}", text(&package, "name")));
            }
        }
    }
    assert!(
        unused.is_empty(),
        "named in a manifest, and not used: {unused:#?}"
    );
}

/// Licences that ask for no more than their notice to be kept.
fn allowed_licences() -> Vec<&'static str> {
    let (_, list) = DENY.split_once("allow = [").expect("a list of licences");
    let (list, _) = list.split_once(']').expect("its end");
    list.split('"').skip(1).step_by(2).collect()
}

/// Whether one of the alternatives asks for nothing but allowed licences.
fn is_permissive(licence: &str, allowed: &[&str]) -> bool {
    let licence = licence.replace('/', " OR ").replace(['(', ')'], "");
    licence
        .split(" OR ")
        .any(|all| all.split(" AND ").all(|one| allowed.contains(&one.trim())))
}

#[test]
fn licences_ask_for_no_more_than_a_notice() {
    let packages = packages(true);
    assert!(packages.len() > 100, "only {} packages", packages.len());
    let allowed = allowed_licences();
    let mut others = BTreeMap::<&str, BTreeSet<&str>>::new();
    for package in &packages {
        let (name, licence) = (text(package, "name"), text(package, "license"));
        if !is_permissive(licence, &allowed) && !ONLY_TESTED_WITH.contains(&name) {
            others.entry(licence).or_default().insert(name);
        }
    }
    assert!(others.is_empty(), "{others:#?}");
}

/// Not from a repository, whose contents may change or go.
#[test]
fn packages_come_from_the_registry_or_the_workspace() {
    const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
    let mut others = BTreeSet::new();
    for package in packages(true) {
        match package["source"].as_str() {
            None | Some(REGISTRY) => {}
            Some(other) => {
                others.insert(format!("{} from {other}", text(&package, "name")));
            }
        }
    }
    assert!(others.is_empty(), "{others:#?}");
}
