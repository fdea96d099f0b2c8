//! Reading parsed replies. A server may send anything: nothing here panics.

use super::Value;
use crate::fault::{Fault, FaultKind};

/// The fault of a reply that was not understood. Its content is left out, since a server or a proxy
/// may repeat the login.
pub(crate) fn unexpected(value: &Value) -> Fault {
    let what = match value {
        Value::Nil => "nothing".to_owned(),
        Value::Int(_) => "a number".to_owned(),
        Value::Array(parts) => format!("an array of {} parts", parts.len()),
        Value::Map(_) => "a map".to_owned(),
        Value::BulkString(bytes) => format!("a text of {} bytes", bytes.len()),
        Value::SimpleString(text) => format!("a text of {} bytes", text.len()),
        _ => "another kind of value".to_owned(),
    };
    Fault::unknown(
        FaultKind::Other,
        format!("the server answered what was not understood: {what}"),
    )
}

/// The text of a simple or bulk string, if it is UTF-8.
pub(crate) fn word(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text),
        Value::Okay => Some("OK"),
        _ => None,
    }
}

pub(crate) fn number(value: &Value) -> Option<u64> {
    text(value).parse().ok()
}

pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Okay => "OK".to_owned(),
        _ => String::new(),
    }
}

/// The reply to `TIME`, in microseconds.
pub(crate) fn time(value: &Value) -> u64 {
    match value {
        Value::Array(parts) => match parts.as_slice() {
            [seconds, micros] => number(seconds)
                .unwrap_or(0)
                .saturating_mul(1_000_000)
                .saturating_add(number(micros).unwrap_or(0)),
            _ => 0,
        },
        _ => 0,
    }
}

/// A field of a map, which RESP2 sends as a flat array.
#[cfg(feature = "sentinel")]
pub(crate) fn field(value: &Value, name: &str) -> Option<String> {
    match value {
        Value::Map(pairs) => {
            let pair = pairs.iter().find(|(field, _)| text(field) == name);
            pair.map(|(_, value)| text(value))
        }
        Value::Array(parts) => {
            let pair = parts.chunks_exact(2).find(|pair| text(&pair[0]) == name);
            pair.map(|pair| text(&pair[1]))
        }
        _ => None,
    }
}

/// The reply to `CONFIG GET` of one parameter.
pub(crate) fn setting(value: &Value) -> Option<String> {
    match value {
        Value::Map(pairs) => pairs.first().map(|(_, value)| text(value)),
        Value::Array(parts) => parts.get(1).map(text),
        _ => None,
    }
}
