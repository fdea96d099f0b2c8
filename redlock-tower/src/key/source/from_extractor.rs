//! The key from any axum extractor.

use crate::events;
use crate::key::{HeadOnly, IntoKey, Key, KeyError, KeyExtractor, Unstated};
use axum::{
    extract::FromRequestParts,
    response::{IntoResponse as _, Response},
};
use http::request::Parts;
use std::{fmt, marker::PhantomData, pin::Pin, sync::Arc};

/// The key from an axum extractor: see [`from_extractor`].
pub struct FromExtractor<E, F, S = ()> {
    to_key: Arc<F>,
    state: S,
    of: PhantomData<fn(E)>,
}

/// The key from an axum extractor that reads the head of the request.
///
/// If the extractor rejects the request, the layer rejects it with 400, or with 503 if the extractor's status is a server
/// error. Use `Option<E>` if the request is to have no key instead.
///
/// ```
/// use axum::extract::Path;
/// use redlock_tower::key;
///
/// // The paths 7, 07 and +7 are the same order, and share one lock.
/// let by_order = key::from_extractor(|Path(order): Path<u64>| Some(order));
/// # fn check(_: impl key::KeyExtractor) {}
/// # check(by_order);
/// ```
pub fn from_extractor<E, F, K>(to_key: F) -> FromExtractor<E, F>
where
    E: FromRequestParts<()> + 'static,
    F: Fn(E) -> K + Send + Sync + 'static,
    K: IntoKey,
{
    from_extractor_with_state((), to_key)
}

/// As [`from_extractor`], with the application's state.
pub fn from_extractor_with_state<E, F, K, S>(state: S, to_key: F) -> FromExtractor<E, F, S>
where
    E: FromRequestParts<S> + 'static,
    F: Fn(E) -> K + Send + Sync + 'static,
    K: IntoKey,
    S: Clone + Send + Sync + 'static,
{
    FromExtractor {
        to_key: Arc::new(to_key),
        state,
        of: PhantomData,
    }
}

impl<E, F, K, S> KeyExtractor for FromExtractor<E, F, S>
where
    E: FromRequestParts<S> + 'static,
    F: Fn(E) -> K + Send + Sync + 'static,
    K: IntoKey,
    S: Clone + Send + Sync + 'static,
{
    type Future = Pin<Box<dyn Future<Output = Result<Option<Key>, KeyError>> + Send>>;
    type Scope = Unstated;
    type Reads = HeadOnly;

    fn extract(&self, parts: &Parts) -> Self::Future {
        let (mut parts, state) = (parts.clone(), self.state.clone());
        let to_key = Arc::clone(&self.to_key);
        Box::pin(async move {
            match E::from_request_parts(&mut parts, &state).await {
                Ok(extracted) => to_key(extracted).into_key(),
                Err(rejection) => Err(rejected::<E>(&rejection.into_response())),
            }
        })
    }
}

fn rejected<E>(rejection: &Response) -> KeyError {
    events::extractor_rejected(std::any::type_name::<E>(), rejection.status().as_u16());
    if rejection.status().is_server_error() {
        KeyError::unavailable("the key of the request cannot be determined now")
    } else {
        KeyError::invalid("the request has no valid key")
    }
}

impl<E, F, S: Clone> Clone for FromExtractor<E, F, S> {
    fn clone(&self) -> Self {
        Self {
            to_key: Arc::clone(&self.to_key),
            state: self.state.clone(),
            of: PhantomData,
        }
    }
}

impl<E, F, S> fmt::Debug for FromExtractor<E, F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FromExtractor")
            .field(&format_args!("{}", std::any::type_name::<E>()))
            .finish()
    }
}
