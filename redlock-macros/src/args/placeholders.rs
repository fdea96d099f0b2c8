//! The text of a key template, cut into literal text and placeholders.

pub(super) enum Chunk {
    Text(String),
    /// `{name:format}`
    Placeholder {
        name: String,
        format: String,
    },
}

/// Cuts a template; `{{` and `}}` stand for braces.
pub(super) fn split(text: &str) -> Result<Vec<Chunk>, String> {
    let mut chunks = Vec::new();
    let mut plain = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' if chars.peek() == Some(&c) => {
                chars.next();
                plain.push(c);
            }
            '{' => {
                let placeholder = placeholder(&mut chars)?;
                if !plain.is_empty() {
                    chunks.push(Chunk::Text(std::mem::take(&mut plain)));
                }
                let (name, format) = split_format(&placeholder);
                chunks.push(Chunk::Placeholder {
                    name: name.trim().into(),
                    format: format.into(),
                });
            }
            '}' => return Err("a `}` without its `{`; write `}}` for a brace".into()),
            c => plain.push(c),
        }
    }
    if !plain.is_empty() {
        chunks.push(Chunk::Text(plain));
    }
    Ok(chunks)
}

/// The text up to the closing brace.
fn placeholder(chars: &mut impl Iterator<Item = char>) -> Result<String, String> {
    let mut text = String::new();
    loop {
        match chars.next() {
            Some('}') => return Ok(text),
            Some('{') if text.contains(':') => {
                let inner: String = chars.take_while(|c| *c != '}').collect();
                return Err(format!(
                    "a width or precision is a number, or an argument followed by `$`: `{{{text}{inner}$}}`"
                ));
            }
            Some('{') | None => {
                return Err(format!(
                    "`{{{text}` is not closed; write `}}`, or `{{{{` for a brace"
                ));
            }
            Some(c) => text.push(c),
        }
    }
}

/// Splits the name from the format: `n:>4`, also where the name is a path, `config::AREA:>4`.
fn split_format(placeholder: &str) -> (&str, &str) {
    let mut from = 0;
    while let Some(colon) = placeholder[from..].find(':').map(|at| from + at) {
        let tail = &placeholder[colon + 1..];
        // A colon can also be the fill character of a format, as in `n::>4`.
        let is_path = tail
            .strip_prefix(':')
            .is_some_and(|tail| tail.starts_with(|c: char| c.is_alphabetic() || c == '_'));
        if !is_path {
            return (&placeholder[..colon], tail);
        }
        from = colon + 2;
    }
    (placeholder, "")
}
