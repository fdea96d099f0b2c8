//! Finds one value in a JSON document, without building the rest of it.

use crate::key::KeyError;
use serde::{
    Deserialize as _, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;
use std::fmt;

/// A JSON pointer (RFC 6901), as the names and indices on the way.
#[derive(Debug)]
pub(super) struct Pointer(Vec<String>);

/// What is at the pointer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No value, or `null`.
    Nothing,
    Value(String),
    /// A member on the way occurs twice, so that another parser may find another value.
    Twice,
    /// A value that cannot be a key.
    NoKey,
}

impl Pointer {
    /// `None` if it is neither empty nor begins with `/`, or if a `~` is not followed by 0 or 1.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut steps = text.split('/');
        if !steps.next()?.is_empty() {
            return None;
        }
        steps.map(unescape).collect::<Option<_>>().map(Self)
    }

    pub(super) fn find(&self, document: &[u8]) -> Result<Found, KeyError> {
        let malformed = |_| KeyError::invalid("the body is not a JSON document");
        let mut parser = serde_json::Deserializer::from_slice(document);
        let found = Step(&self.0).deserialize(&mut parser).map_err(malformed)?;
        parser.end().map_err(malformed)?;
        Ok(found)
    }
}

fn unescape(step: &str) -> Option<String> {
    let mut out = String::with_capacity(step.len());
    let mut chars = step.chars();
    while let Some(char) = chars.next() {
        out.push(match char {
            '~' => match chars.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            char => char,
        });
    }
    Some(out)
}

/// The rest of the way.
struct Step<'a>(&'a [String]);

impl<'de> DeserializeSeed<'de> for Step<'_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        if self.0.is_empty() {
            return Value::deserialize(deserializer).map(Found::of);
        }
        deserializer.deserialize_any(self)
    }
}

impl Found {
    fn of(value: Value) -> Self {
        match value {
            Value::Null => Self::Nothing,
            Value::String(value) => Self::Value(value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => Self::Value(number.to_string()),
                (None, Some(number)) => Self::Value(number.to_string()),
                (None, None) => Self::NoKey,
            },
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => Self::NoKey,
        }
    }
}

/// Visits what lies before the end of the way: a scalar there leads nowhere.
impl<'de> Visitor<'de> for Step<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<String>()? {
            match self.0.split_first() {
                Some((step, rest)) if *step == name => {
                    let value = map.next_value_seed(Step(rest))?;
                    found = Some(if found.is_some() { Found::Twice } else { value });
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found.unwrap_or(Found::Nothing))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Found, A::Error> {
        let Some((step, rest)) = self.0.split_first() else {
            return Ok(Found::Nothing);
        };
        // RFC 6901 allows no leading zeros.
        let index = step.parse::<usize>().ok();
        let index = index.filter(|index| index.to_string() == *step);
        let mut found = Found::Nothing;
        for at in 0.. {
            if Some(at) == index {
                match items.next_element_seed(Step(rest))? {
                    Some(value) => found = value,
                    None => break,
                }
            } else if items.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
        }
        Ok(found)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Found, E> {
        Ok(Found::Nothing)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Found, E> {
        Ok(Found::Nothing)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Found, E> {
        Ok(Found::Nothing)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Found, E> {
        Ok(Found::Nothing)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Found, E> {
        Ok(Found::Nothing)
    }

    fn visit_unit<E: Error>(self) -> Result<Found, E> {
        Ok(Found::Nothing)
    }
}
