//! A key: named parts, or a string taken as it is.

use super::KeyError;
use std::{borrow::Cow, fmt};

/// A key as taken from a request.
///
/// Made of named parts, it is put behind the layer's namespace (the route, unless you name one), each part
/// encoded so that parts cannot run into each other, and hashed (SHA-256) where it would get long.
/// [`exact`](Key::exact) skips all of that.
///
/// `Debug` shows the names of the parts and not their values, which may be secrets.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key(pub(super) Form);

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Form {
    Parts(Vec<Part>),
    Exact(String),
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Part {
    /// Which of several alternatives the parts from here on are: see [`KeyExtractor::or`](super::KeyExtractor::or).
    pub(super) alternative: String,
    pub(super) name: Cow<'static, str>,
    pub(super) value: Vec<u8>,
}

impl Key {
    /// One part; any bytes will do.
    #[must_use]
    pub fn new(value: impl AsRef<[u8]>) -> Self {
        Self::named("key", value)
    }

    /// One part with a name that tells it from parts of other origin.
    #[must_use]
    pub fn named(name: impl Into<Cow<'static, str>>, value: impl AsRef<[u8]>) -> Self {
        Self(Form::Parts(vec![Part {
            alternative: String::new(),
            name: name.into(),
            value: value.as_ref().to_vec(),
        }]))
    }

    /// The lock's key as it is, with no namespace, encoding or hashing: for a lock shared with other code.
    ///
    /// Encode what comes from the request with [`redlock::key::part`]; a key that [`redlock::Redlock::lock`] refuses is
    /// answered with 500.
    ///
    /// ```
    /// use redlock_tower::key::Key;
    ///
    /// let by_invoice = |parts: &http::request::Parts| {
    ///     let invoice = parts.headers.get("x-invoice")?.to_str().ok()?;
    ///     Some(Key::exact(format!("invoice:{}", redlock::key::part(invoice))))
    /// };
    /// # fn check(_: impl redlock_tower::key::KeyExtractor) {}
    /// # check(by_invoice);
    /// ```
    #[must_use]
    pub fn exact(key: impl Into<String>) -> Self {
        Self(Form::Exact(key.into()))
    }

    /// Both together, in this order.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut parts = self.into_parts();
        parts.extend(other.into_parts());
        Self(Form::Parts(parts))
    }

    /// The key as the first or the second of two alternatives, which no value makes the same. Only a first one that has
    /// no alternatives itself is written as it would be alone.
    pub(super) fn alternative(mut self, second: bool) -> Self {
        if let Form::Parts(parts) = &mut self.0
            && let Some(Part { alternative, .. }) = parts.first_mut()
        {
            if second {
                alternative.push('2');
            } else if !alternative.is_empty() {
                alternative.push('1');
            }
        }
        self
    }

    /// The key with each value written anew.
    pub(super) fn rewritten(
        mut self,
        rewrite: impl Fn(&str, &[u8]) -> Result<Vec<u8>, KeyError>,
    ) -> Result<Self, KeyError> {
        match &mut self.0 {
            Form::Parts(parts) => {
                for part in parts {
                    part.value = rewrite(&part.name, &part.value)?;
                }
            }
            Form::Exact(key) => {
                let text = rewrite("exact", key.as_bytes())?;
                *key = String::from_utf8_lossy(&text).into_owned();
            }
        }
        Ok(self)
    }

    pub(super) fn into_parts(self) -> Vec<Part> {
        match self.0 {
            Form::Parts(parts) => parts,
            Form::Exact(key) => vec![Part {
                alternative: String::new(),
                name: Cow::Borrowed("exact"),
                value: key.into_bytes(),
            }],
        }
    }

    /// An empty value names nobody: all who send one would share a lock.
    pub(crate) fn is_empty(&self) -> bool {
        match &self.0 {
            Form::Parts(parts) => parts.iter().any(|part| part.value.is_empty()),
            Form::Exact(key) => key.is_empty(),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Parts(parts) => f
                .debug_tuple("Key")
                .field(&parts.iter().map(|p| &p.name).collect::<Vec<_>>())
                .finish(),
            Form::Exact(_) => f.write_str("Key(exact)"),
        }
    }
}

impl From<String> for Key {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl From<$number> for Key {
            fn from(value: $number) -> Self {
                Self::new(value.to_string())
            }
        }

        impl IntoKey for $number {
            fn into_key(self) -> Result<Option<Key>, KeyError> {
                Ok(Some(self.into()))
            }
        }
    )*};
}

numbers!(
    u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize
);

impl From<Cow<'_, str>> for Key {
    fn from(value: Cow<'_, str>) -> Self {
        Self::new(&*value)
    }
}

impl From<Vec<u8>> for Key {
    fn from(value: Vec<u8>) -> Self {
        Self::new(value)
    }
}

impl From<&str> for Key {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

/// What a closure may return as a key.
pub trait IntoKey {
    /// The key, if there is one.
    ///
    /// # Errors
    ///
    /// [`KeyError`] as the closure returned it.
    fn into_key(self) -> Result<Option<Key>, KeyError>;
}

impl<K: Into<Key>> IntoKey for Option<K> {
    fn into_key(self) -> Result<Option<Key>, KeyError> {
        Ok(self.map(Into::into))
    }
}

impl<K: IntoKey> IntoKey for Result<K, KeyError> {
    fn into_key(self) -> Result<Option<Key>, KeyError> {
        self.and_then(K::into_key)
    }
}

impl IntoKey for Key {
    fn into_key(self) -> Result<Option<Key>, KeyError> {
        Ok(Some(self))
    }
}

impl IntoKey for &str {
    fn into_key(self) -> Result<Option<Key>, KeyError> {
        Ok(Some(self.into()))
    }
}

impl IntoKey for String {
    fn into_key(self) -> Result<Option<Key>, KeyError> {
        Ok(Some(self.into()))
    }
}
