//! The structure of the code: folders without circles, short functions, small folders, and a picture that is up to date.

mod dependencies;
mod options;

use std::{collections::BTreeMap, fs, path::Path};

use tests::house::{Graph, PACKAGES, picture, sources};

/// The most lines of a function: about a screen.
const LINES: usize = 60;
/// The most sources in one folder.
const SIBLINGS: usize = 12;
/// What is wrong with a circle, and what to do about it.
const CIRCLE: &str = "these use each other in a circle: move what both need into a third one";

#[test]
fn modules_use_each_other_in_one_direction() {
    for package in PACKAGES {
        let sources = sources(package);
        let circles = Graph::of_rooms(&sources).circles();
        assert!(circles.is_empty(), "{package}: {CIRCLE}: {circles:#?}");
    }
}

/// A `mod.rs` counts as a file: only its re-exports are not counted.
#[test]
fn files_use_each_other_in_one_direction() {
    for package in PACKAGES {
        let circles = Graph::of_files(&sources(package)).circles();
        assert!(circles.is_empty(), "{package}: {CIRCLE}: {circles:#?}");
    }
}

#[test]
fn functions_are_no_longer_than_a_screen() {
    let mut long = Vec::new();
    for source in PACKAGES.into_iter().flat_map(sources) {
        for function in source
            .functions
            .iter()
            .filter(|function| function.lines > LINES)
        {
            let file = source.file.display();
            long.push(format!(
                "{file}:{}: {} has {} lines",
                function.line, function.name, function.lines
            ));
        }
    }
    assert!(
        long.is_empty(),
        "longer than {LINES} lines: move a part into a function of its own: {long:#?}"
    );
}

#[test]
fn folders_are_small() {
    let mut folders = BTreeMap::<_, usize>::new();
    for source in PACKAGES.into_iter().flat_map(sources) {
        let folder = source.file.parent().map(ToOwned::to_owned);
        *folders.entry(folder).or_default() += 1;
    }
    folders.retain(|_, files| *files > SIBLINGS);
    assert!(
        folders.is_empty(),
        "more than {SIBLINGS} sources: move those of one idea into a folder of their own: {folders:#?}"
    );
}

#[test]
fn the_pictures_match_the_code() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ARCHITECTURE.md");
    let text = fs::read_to_string(file).expect("ARCHITECTURE.md");
    assert!(
        text.contains(picture().trim_end()),
        "ARCHITECTURE.md is out of date: put what `cargo run -p tests --bin architecture` prints between its marks"
    );
}

#[test]
fn every_test_in_the_list_of_long_tests_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = fs::read_to_string(root.join("long.txt")).expect("long.txt");
    let mut tests = tests::house::texts(&root.join("tests"));
    tests.extend(tests::house::texts(&root.join("model")));
    for name in list.lines() {
        let found = tests
            .iter()
            .any(|text| text.contains(&format!("fn {name}(")));
        assert!(found, "tests/long.txt names {name}, which is no test");
    }
}
