//! A key: named parts, or an exact string.

use super::KeyError;
use std::{borrow::Cow, fmt};

/// A key that was extracted from a request.
///
/// It consists of named parts, which are encoded so that different keys stay different, and prefixed with the layer's
/// [namespace](crate::RedlockLayer::namespace). A result above 200 bytes is replaced by its SHA-256.
/// [`exact`](Key::exact) skips all of that.
///
/// `Debug` shows the names of the parts, but not their values, which may be secrets.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key(pub(super) Form);

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Form {
    Parts(Vec<Part>),
    Exact(String),
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Part {
    /// Which alternative the parts from here on are: see [`KeyExtractor::or`](super::KeyExtractor::or).
    pub(super) alternative: String,
    pub(super) name: Cow<'static, str>,
    pub(super) value: Vec<u8>,
}

impl Key {
    /// A key with one part, of any bytes, named `key`.
    #[must_use]
    pub fn new(value: impl AsRef<[u8]>) -> Self {
        Self::named("key", value)
    }

    /// A key with one named part. Equal values with different names are different keys.
    #[must_use]
    pub fn named(name: impl Into<Cow<'static, str>>, value: impl AsRef<[u8]>) -> Self {
        Self(Form::Parts(vec![Part {
            alternative: String::new(),
            name: name.into(),
            value: value.as_ref().to_vec(),
        }]))
    }

    /// The lock's key as it is, without namespace, encoding and hashing, for a lock that other code uses too.
    ///
    /// Encode values of the request with [`redlock::key::part`]. If [`redlock::Redlock::lock`] refuses the key, the request
    /// is rejected with 500.
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

    /// Appends the parts of `other`.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut parts = self.into_parts();
        parts.extend(other.into_parts());
        Self(Form::Parts(parts))
    }

    /// Marks the key as the first or the second of two alternatives, so that they differ even with equal values. The first
    /// one, unless it has alternatives itself, is written as if it were alone.
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

    /// Rewrites every value.
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

    /// Whether a value is empty. Such a key identifies nothing: all requests with it would share a lock.
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

/// A value that a closure may return as a key.
pub trait IntoKey {
    /// Converts the value, or returns `None` if the request has no key.
    ///
    /// # Errors
    ///
    /// The [`KeyError`] that the closure returned.
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
