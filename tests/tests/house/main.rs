//! The structure of the code: no circles, short functions, small folders.

use std::collections::BTreeMap;

use tests::house::{Graph, PACKAGES, sources};

/// The most lines of a function: about a screen.
const LINES: usize = 60;
/// The most sources in one folder.
const SIBLINGS: usize = 14;

#[test]
fn modules_use_each_other_in_one_direction() {
    for package in PACKAGES {
        let sources = sources(package);
        let circles = Graph::of_rooms(&sources).circles();
        assert!(circles.is_empty(), "{package}: {circles:#?}");
        let circles = Graph::of_files(&sources).circles();
        assert!(circles.is_empty(), "{package}, by file: {circles:#?}");
    }
}

#[test]
fn functions_are_no_longer_than_a_screen() {
    let mut long = Vec::new();
    for source in PACKAGES.into_iter().flat_map(sources) {
        for function in source.functions.iter().filter(|f| f.lines > LINES) {
            let file = source.file.display();
            long.push(format!(
                "{file}:{}: {} has {} lines",
                function.line, function.name, function.lines
            ));
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn folders_are_small() {
    let mut folders = BTreeMap::<_, usize>::new();
    for source in PACKAGES.into_iter().flat_map(sources) {
        let folder = source.file.parent().map(ToOwned::to_owned);
        *folders.entry(folder).or_default() += 1;
    }
    folders.retain(|_, files| *files > SIBLINGS);
    assert!(folders.is_empty(), "{folders:#?}");
}
