//! F62: the tables in the docs list the events of the code, all of them, and there is one place in each crate for them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// One event: level, target, message and fields.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Event(String, String, String, Vec<String>);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All sources below `dir`.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The arguments of a macro whose parenthesis has just been opened.
fn arguments(code: &str) -> Vec<String> {
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    let mut parts = vec![String::new()];
    for c in code.chars() {
        match c {
            '"' if !escaped => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted && depth == 0 => break,
            ')' | ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        parts.last_mut().unwrap().push(c);
    }
    let parts = parts.iter().map(|part| part.trim().to_owned());
    parts.filter(|part| !part.is_empty()).collect()
}

/// The events of a source, and whether each is emitted in a module of events.
fn in_source(path: &Path) -> Vec<Event> {
    const TARGET: &str = "const TARGET: &str = \"";
    let code = fs::read_to_string(path).unwrap();
    let mut found = Vec::new();
    for level in LEVELS {
        for (at, opening) in code.match_indices(&format!("tracing::{level}!(")) {
            let at_line = code[..at].rfind('\n').map_or(0, |end| end + 1);
            if code[at_line..at].trim_start().starts_with("//") {
                continue;
            }
            let said = arguments(&code[at + opening.len()..]);
            assert_eq!(said[0], "target: TARGET", "{}: {said:?}", path.display());
            let (_, target) = code[..at].rsplit_once(TARGET).expect("a target");
            let (message, fields) = said[1..].split_last().unwrap();
            let name = |field: &String| {
                let name = field.split('=').next().unwrap();
                name.trim().trim_start_matches(['%', '?']).to_owned()
            };
            found.push(Event(
                level.to_owned(),
                target.split('"').next().unwrap().to_owned(),
                message.trim_matches('"').to_owned(),
                fields.iter().map(name).collect(),
            ));
        }
    }
    found
}

/// The rows of the tables of events in a document, of which each has the target in its heading.
fn in_document(path: &Path) -> BTreeSet<Event> {
    let text = fs::read_to_string(path).unwrap();
    let mut target = "";
    let rows = text.lines().filter_map(|line| {
        if let Some(heading) = line.strip_prefix("## Target `") {
            target = heading.trim_end_matches('`');
        }
        let mut cells = line.strip_prefix("| ")?.strip_suffix('|')?.split('|');
        let mut cell = || cells.next().map(str::trim);
        let (level, message, fields) = (cell()?, cell()?, cell()?);
        let fields = fields.split(", ").filter(|field| !field.is_empty());
        LEVELS.contains(&level).then(|| {
            Event(
                level.to_owned(),
                target.to_owned(),
                message.to_owned(),
                fields
                    .map(|field| field.trim_matches('`').to_owned())
                    .collect(),
            )
        })
    });
    rows.collect()
}

fn compare(package: &str, events: &str) {
    let root = root().join(package);
    let mut said = BTreeSet::new();
    for path in sources(&root.join("src")) {
        let found = in_source(&path);
        let is_theirs = path
            .strip_prefix(root.join("src"))
            .unwrap()
            .starts_with(events);
        assert!(
            found.is_empty() || is_theirs,
            "{} tells what belongs to `{events}`",
            path.display()
        );
        said.extend(found);
    }
    assert!(
        said.len() > 10,
        "the sources are not read any more: {said:?}"
    );
    let listed = in_document(&root.join("docs/events.md"));
    let missing: Vec<_> = said.difference(&listed).collect();
    let stale: Vec<_> = listed.difference(&said).collect();
    assert!(
        missing.is_empty(),
        "not in {package}/docs/events.md: {missing:#?}"
    );
    assert!(
        stale.is_empty(),
        "only in {package}/docs/events.md: {stale:#?}"
    );
    for Event(level, _, message, fields) in &said {
        let loud = ["error", "warn", "info"].contains(&level.as_str());
        assert!(
            !loud || !fields.contains(&"key".to_owned()),
            "`{message}` names the key"
        );
    }
}

#[test]
fn f62_the_table_of_lock_events_is_correct() {
    compare("redlock", "events");
}

#[test]
fn f62_the_table_of_layer_events_is_correct() {
    compare("redlock-tower", "events.rs");
}

#[test]
fn f62_the_macro_emits_no_events_of_its_own() {
    let sources = sources(&root().join("redlock-macros/src"));
    assert!(!sources.is_empty());
    assert_eq!(
        sources
            .iter()
            .flat_map(|path| in_source(path))
            .collect::<Vec<_>>(),
        []
    );
}
