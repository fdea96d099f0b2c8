//! README.zh-CN.md has the sections, code, tables and links of README.md.

use crate::markdown::{Document, read, root};

fn both() -> (Document, Document) {
    let root = root();
    let parsed = |name: &str| Document::parse(&read(&root.join(name)));
    (parsed("README.md"), parsed("README.zh-CN.md"))
}

#[test]
fn the_chinese_readme_has_the_same_sections() {
    let (english, chinese) = both();
    let levels = |document: &Document| -> Vec<usize> {
        let headings = document.headings();
        headings.iter().map(|(level, _)| *level).collect()
    };
    assert_eq!(
        levels(&english),
        levels(&chinese),
        "README.md: {:#?}\nREADME.zh-CN.md: {:#?}",
        english.headings(),
        chinese.headings()
    );
}

#[test]
fn the_chinese_readme_has_the_same_code() {
    let (english, chinese) = both();
    assert_eq!(english.code.len(), chinese.code.len(), "blocks of code");
    for (english, chinese) in english.code.iter().zip(&chinese.code) {
        assert_eq!(english, chinese);
    }
}

#[test]
fn the_chinese_readme_has_the_same_tables() {
    let (english, chinese) = both();
    let rows = |document: &Document| -> Vec<usize> {
        let rows = document.lines.iter().filter(|line| line.starts_with('|'));
        rows.map(|row| row.matches('|').count()).collect()
    };
    assert_eq!(rows(&english), rows(&chinese), "columns of each row");
}

/// Except for links within the page, whose headings are translated.
#[test]
fn the_chinese_readme_has_the_same_links() {
    let (english, chinese) = both();
    let links = |document: &Document| -> Vec<String> {
        let links = document.links().into_iter();
        let mut links: Vec<String> = links
            .filter(|link| !link.starts_with('#') && !link.starts_with("README"))
            .map(ToOwned::to_owned)
            .collect();
        links.sort_unstable();
        links
    };
    assert_eq!(links(&english), links(&chinese));
}
