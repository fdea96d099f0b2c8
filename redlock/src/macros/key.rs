//! The key of a call, built from its template. It is complete, or an error.

use std::fmt::{Display, Write as _};

use crate::{Error, Result, key::encode};

/// A key under construction.
#[derive(Debug, Default)]
pub struct Key {
    text: String,
    failed: bool,
    /// An argument that the text names like a placeholder.
    unfilled: Option<&'static str>,
}

impl Key {
    /// An empty key.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends text of the template.
    pub fn text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Appends a value, encoded so that it cannot collide with other parts.
    pub fn part(&mut self, value: impl Display) {
        self.failed |= encode(value, &mut self.text).is_err();
    }

    /// Appends a value that was rendered before.
    pub fn rendered(&mut self, part: &Part) {
        self.text.push_str(&part.text);
        self.failed |= part.failed;
    }

    /// Appends the `Display` of the value, not encoded.
    pub fn verbatim(&mut self, value: impl Display) {
        self.failed |= write!(self.text, "{value}").is_err();
    }

    /// Declares that no argument is part of the key. Its text must not look like a template of these arguments.
    pub fn constant(&mut self, arguments: &[&'static str]) {
        let names = |name: &str| {
            let holes = self.text.match_indices('{');
            holes
                .filter_map(|(at, _)| self.text[at + 1..].strip_prefix(name))
                .any(|rest| rest.starts_with(['}', '.', ':']))
        };
        self.unfilled = arguments.iter().copied().find(|name| names(name));
    }

    /// The key. An error if the `Display` of a value failed, since an incomplete key would be another lock.
    pub(super) fn finish(self) -> Result<String> {
        if self.failed {
            return Err(Error::invalid_key(
                &self.text,
                "the `Display` of a value in the key returned an error, and an incomplete key would be another lock",
            ));
        }
        if let Some(name) = self.unfilled {
            let why = format!(
                "`{{{name}}}` is plain text here, so all calls have the same key; only a literal in the attribute is a \
                 template"
            );
            return Err(Error::invalid_key(&self.text, why));
        }
        Ok(self.text)
    }
}

/// A part of a key, rendered while its value was available.
#[derive(Debug)]
pub struct Part {
    text: String,
    failed: bool,
}

impl Part {
    /// Renders and encodes `value`.
    pub fn new(value: impl Display) -> Self {
        let mut text = String::new();
        let failed = encode(value, &mut text).is_err();
        Self { text, failed }
    }
}
