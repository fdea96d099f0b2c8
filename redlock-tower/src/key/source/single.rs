//! One value where a client may send several.

use crate::key::{Key, KeyError};
use std::{
    borrow::Cow,
    future::{Ready, ready},
};

/// The future of the built-in extractors.
pub(in crate::key) type Extracted = Ready<Result<Option<Key>, KeyError>>;

/// Rejects different values: the handler might read one of them, and the lock another.
pub(in crate::key) fn single<V: AsRef<[u8]>>(
    what: &str,
    name: impl Into<Cow<'static, str>>,
    values: impl Iterator<Item = V>,
) -> Extracted {
    let name = name.into();
    let mut found: Option<V> = None;
    for value in values {
        match &found {
            Some(first) if first.as_ref() != value.as_ref() => {
                return ready(Err(KeyError::invalid(format!(
                    "the {what} `{name}` has more than one value; send one"
                ))));
            }
            Some(_) => {}
            None => found = Some(value),
        }
    }
    ready(Ok(found
        .filter(|value| !value.as_ref().is_empty())
        .map(|value| Key::named(name, value))))
}
