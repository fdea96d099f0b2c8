//! Links between files of the repository.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::markdown::{Document, anchor, read, root};

/// Folders without documents of ours.
const SKIPPED: [&str; 4] = ["target", ".git", "node_modules", "fuzz"];
/// Files that rustdoc includes: it checks their links itself.
const IN_RUSTDOC: [&str; 3] = ["redlock/docs", "redlock-macros/docs", "redlock-tower/docs"];

fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !SKIPPED.contains(&&*name) {
            documents(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// Whether `target`, in the document at `from`, leads to a file, and to a heading of it.
fn leads_somewhere(from: &Path, target: &str) -> bool {
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = match file {
        "" => from.to_owned(),
        _ => from.parent().expect("a folder").join(file),
    };
    if heading.is_empty() {
        return path.exists();
    }
    path.is_file()
        && Document::parse(&read(&path))
            .headings()
            .iter()
            .any(|(_, text)| anchor(text) == heading)
}

#[test]
fn local_links_lead_to_a_file_and_to_a_heading_of_it() {
    let root = root();
    let mut found = Vec::new();
    documents(&root, &mut found);
    let (mut broken, mut checked) = (Vec::new(), 0);
    for path in found {
        let name = path.strip_prefix(&root).expect("below the root");
        if IN_RUSTDOC.iter().any(|folder| name.starts_with(folder)) {
            continue;
        }
        let document = Document::parse(&read(&path));
        let local = document.links().into_iter();
        for target in
            local.filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        {
            checked += 1;
            if !leads_somewhere(&path, target) {
                broken.push(format!("{}: {target}", name.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(
        checked > 50,
        "{checked} links are too few: some are not found"
    );
}
