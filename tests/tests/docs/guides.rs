//! What the guides quote.

use redlock::fence;

use crate::markdown::{Document, read, root};

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[test]
fn the_guide_to_fencing_quotes_the_statements_of_the_crate() {
    let guide = Document::parse(&read(&root().join("docs/fencing.md")));
    let is_sql = |block: &&Vec<String>| block.first().is_some_and(|info| info == "sql");
    let quoted: Vec<String> = guide
        .code
        .iter()
        .filter(is_sql)
        .map(|block| block[1..].join("\n"))
        .collect();
    let of_the_crate = [
        fence::POSTGRES_TABLE,
        fence::POSTGRES,
        fence::SQLITE_TABLE,
        fence::SQLITE,
    ];
    assert_eq!(quoted.len(), of_the_crate.len());
    for (quoted, statement) in quoted.iter().zip(of_the_crate) {
        assert_eq!(words(quoted), words(statement));
    }
}

/// A guide that nobody finds helps nobody, and one that is not in tests/src/guides.rs is not compiled.
#[test]
fn each_guide_is_listed_and_its_code_is_compiled() {
    let folder = root().join("docs");
    let index = read(&folder.join("README.md"));
    let compiled = read(&root().join("tests/src/guides.rs"));
    for entry in std::fs::read_dir(&folder).expect("the folder of the guides") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name == "README.md" || !name.ends_with(".md") {
            continue;
        }
        assert!(
            index.contains(&format!("]({name})")),
            "docs/README.md does not list {name}"
        );
        let is_rust =
            |block: &&Vec<String>| block.first().is_some_and(|info| info.starts_with("rust"));
        if Document::parse(&read(&path))
            .code
            .iter()
            .any(|block| is_rust(&block))
        {
            assert!(
                compiled.contains(&format!("docs/{name}\")")),
                "tests/src/guides.rs lacks {name}"
            );
        }
    }
}
