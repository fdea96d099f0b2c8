//! Reads Markdown: its headings, links and blocks of code.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().expect("the root of the repository")
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A document, with the lines of its blocks of code apart from the others.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) lines: Vec<String>,
    /// The first line, such as `rust,no_run`, and the lines of each block.
    pub(crate) code: Vec<Vec<String>>,
}

impl Document {
    pub(crate) fn parse(text: &str) -> Self {
        let mut document = Self::default();
        let mut block: Option<Vec<String>> = None;
        for line in text.lines() {
            match (line.trim_start().strip_prefix("```"), &mut block) {
                (Some(info), None) => block = Some(vec![info.to_owned()]),
                (Some(_), Some(_)) => document.code.extend(block.take()),
                (None, Some(block)) => block.push(line.to_owned()),
                (None, None) => document.lines.push(line.to_owned()),
            }
        }
        assert!(block.is_none(), "a block of code does not end: {block:?}");
        document
    }

    /// The level and the text of each heading.
    pub(crate) fn headings(&self) -> Vec<(usize, &str)> {
        let heading = |line: &'_ String| {
            let level = line.chars().take_while(|char| *char == '#').count();
            (1..=6).contains(&level).then_some(level)
        };
        let lines = self.lines.iter();
        lines
            .filter_map(|line| heading(line).map(|level| (level, line[level..].trim())))
            .collect()
    }

    /// The targets of inline links, images and link definitions.
    pub(crate) fn links(&self) -> Vec<&str> {
        let inline = self.lines.iter().flat_map(|line| {
            let after = line.split("](").skip(1);
            after.filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
        });
        let defined = self.lines.iter().filter_map(|line| {
            let (_, target) = line.strip_prefix('[')?.split_once("]: ")?;
            Some(target)
        });
        inline.chain(defined).collect()
    }
}

/// The anchor of a heading, as GitHub makes it.
pub(crate) fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|char| char.is_alphanumeric() || " -_".contains(*char))
        .map(|char| if char == ' ' { '-' } else { char })
        .collect()
}
