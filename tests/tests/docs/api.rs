//! The public API of the crates, as `api.txt` in the folder of each lists it.

use std::{collections::BTreeSet, env, fs};

use tests::api::{CRATES, listing};

use crate::markdown::root;

/// What is gone or has changed is an error, since users may rely on it. What is new is only reported.
#[test]
#[ignore = "reads the documentation, which `.ci/run docs` builds before"]
fn the_public_api_has_all_that_is_listed() {
    let root = root();
    let target = env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), Into::into);
    let overwrite = env::var("API").as_deref() == Ok("overwrite");
    let mut gone = Vec::new();
    for (folder, name) in CRATES {
        let now = listing(&target.join("doc"), name).expect(
            "the documentation: build it by `cargo doc --workspace --all-features --no-deps`",
        );
        assert!(
            now.len() > 100,
            "{name}: the documentation is not understood"
        );
        let file = root.join(folder).join("api.txt");
        if overwrite {
            let text: String = now.iter().map(|line| format!("{line}\n")).collect();
            fs::write(&file, text).expect("the list is written");
            continue;
        }
        let text = fs::read_to_string(&file).expect("the list");
        let listed: BTreeSet<String> = text.lines().map(ToOwned::to_owned).collect();
        gone.extend(listed.difference(&now).cloned());
        for line in now.difference(&listed) {
            println!("new, not listed yet: {line}");
        }
    }
    assert!(
        gone.is_empty(),
        "gone from the public API: {gone:#?}\nIf that is meant, say so in CHANGELOG.md, and write the lists again by \
         `API=overwrite cargo test -p tests --test docs -- --ignored`"
    );
}
