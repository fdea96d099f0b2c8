//! Replies as values, read from bytes.

use std::fmt;

/// Maximum length of a string that `Debug` shows.
const SHOWN: usize = 100;

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Status(String),
    /// A code and a text.
    Error(String),
    Int(i64),
    Bulk(Vec<u8>),
    Nil,
    Array(Vec<Value>),
    /// Names and values in turn.
    Map(Vec<Value>),
    /// A push message.
    Push(Vec<Value>),
}

impl Value {
    /// The first word of the reply.
    pub(crate) fn word(&self) -> Option<String> {
        match self {
            Self::Status(word) => Some(word.clone()),
            Self::Bulk(word) => Some(String::from_utf8_lossy(word).into_owned()),
            Self::Array(parts) | Self::Push(parts) => parts.first()?.word(),
            Self::Int(_) => Some("a number".to_owned()),
            Self::Nil => Some("nil".to_owned()),
            Self::Error(_) | Self::Map(_) => None,
        }
    }

    pub(crate) fn int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Bulk(bytes) => bytes,
            Self::Status(word) => word.as_bytes(),
            _ => &[],
        }
    }

    pub(crate) fn parts(&self) -> &[Self] {
        match self {
            Self::Array(parts) | Self::Push(parts) | Self::Map(parts) => parts,
            _ => &[],
        }
    }
}

/// The value at the start of `bytes`, and its length. `None` if it has not arrived yet.
///
/// # Panics
/// If it is of a type that no server sends here.
pub(crate) fn parse(bytes: &[u8]) -> Option<(Value, usize)> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let line = String::from_utf8_lossy(&bytes[1..end]).into_owned();
    let after = end + 2;
    let number = || line.parse::<i64>().expect("a number");
    let count = || usize::try_from(number()).ok();
    let value = match bytes[0] {
        b'+' => Value::Status(line),
        b'-' => Value::Error(line),
        b':' => Value::Int(number()),
        b'_' => Value::Nil,
        b'$' | b'!' => {
            let Some(length) = count() else {
                return Some((Value::Nil, after));
            };
            let text = bytes.get(after..after + length)?;
            bytes.get(after + length..after + length + 2)?;
            let value = match bytes[0] {
                b'$' => Value::Bulk(text.to_vec()),
                _ => Value::Error(String::from_utf8_lossy(text).into_owned()),
            };
            return Some((value, after + length + 2));
        }
        kind @ (b'*' | b'>' | b'%') => {
            let Some(count) = count() else {
                return Some((Value::Nil, after));
            };
            let count = count * if kind == b'%' { 2 } else { 1 };
            let (mut parts, mut at) = (Vec::with_capacity(count), after);
            for _ in 0..count {
                let (part, length) = parse(&bytes[at..])?;
                parts.push(part);
                at += length;
            }
            let value = match kind {
                b'*' => Value::Array(parts),
                b'>' => Value::Push(parts),
                _ => Value::Map(parts),
            };
            return Some((value, at));
        }
        other => panic!("a reply that begins with {:?}", char::from(other)),
    };
    Some((value, after))
}

/// A request, as clients write it.
pub(crate) fn request<A: AsRef<[u8]>>(words: &[A]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        let word = word.as_ref();
        out.extend(format!("${}\r\n", word.len()).into_bytes());
        out.extend(word);
        out.extend(b"\r\n");
    }
    out
}

/// A text for display: escaped, and truncated if it is long.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let text = bytes[..bytes.len().min(SHOWN)].escape_ascii();
    match bytes.len() > SHOWN {
        true => format!("\"{text}\".. ({} bytes)", bytes.len()),
        false => format!("\"{text}\""),
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(word) => write!(f, "+{word}"),
            Self::Error(text) => write!(f, "-{text}"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Bulk(bytes) => f.write_str(&shown(bytes)),
            Self::Nil => f.write_str("nil"),
            Self::Array(parts) | Self::Map(parts) => f.debug_list().entries(parts).finish(),
            Self::Push(parts) => {
                f.write_str("push ")?;
                f.debug_list().entries(parts).finish()
            }
        }
    }
}
