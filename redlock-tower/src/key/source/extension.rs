//! The key from an extension of the request.

use crate::key::{HeadOnly, IntoKey, Key, KeyError, KeyExtractor, Unstated};
use http::request::Parts;
use std::{
    fmt,
    future::{Ready, ready},
    marker::PhantomData,
};

/// The key from an extension: see [`extension`].
pub struct FromExtension<T, F> {
    to_key: F,
    of: PhantomData<fn(&T)>,
}

/// The key from an extension of type `T`, such as the user that the authentication inserted. A request without the
/// extension has no key.
///
/// The layer that inserts it must be outside of the lock: in axum, it is added after the lock.
///
/// ```
/// use redlock_tower::key;
///
/// #[derive(Clone)]
/// struct User { id: u64 }
///
/// let by_user = key::extension(|user: &User| Some(user.id.to_string()));
/// # fn check(_: impl key::KeyExtractor) {}
/// # check(by_user);
/// ```
pub fn extension<T, F, K>(to_key: F) -> FromExtension<T, F>
where
    T: Send + Sync + 'static,
    F: Fn(&T) -> K + Send + Sync + 'static,
    K: IntoKey,
{
    FromExtension {
        to_key,
        of: PhantomData,
    }
}

impl<T, F, K> KeyExtractor for FromExtension<T, F>
where
    T: Send + Sync + 'static,
    F: Fn(&T) -> K + Send + Sync + 'static,
    K: IntoKey,
{
    type Future = Ready<Result<Option<Key>, KeyError>>;
    type Scope = Unstated;
    type Reads = HeadOnly;

    fn extract(&self, parts: &Parts) -> Self::Future {
        ready(match parts.extensions.get::<T>() {
            Some(value) => (self.to_key)(value).into_key(),
            None => Ok(None),
        })
    }
}

impl<T, F: Clone> Clone for FromExtension<T, F> {
    fn clone(&self) -> Self {
        Self {
            to_key: self.to_key.clone(),
            of: PhantomData,
        }
    }
}

impl<T, F> fmt::Debug for FromExtension<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FromExtension")
            .field(&format_args!("{}", std::any::type_name::<T>()))
            .finish()
    }
}
