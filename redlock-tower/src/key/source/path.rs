//! The key from what axum's router matched.

use super::single::{Extracted, single};
use crate::{
    events,
    key::{HeadOnly, Key, KeyError, KeyExtractor, Unstated},
};
use axum::extract::{
    FromRequestParts as _, OriginalUri, RawPathParams, rejection::RawPathParamsRejection,
};
use futures_util::FutureExt as _;
use http::{Extensions, Request, request::Parts};
use std::future::{Ready, ready};

/// The key from a path parameter: see [`path`].
#[derive(Clone, Copy, Debug)]
pub struct Path(&'static str);

/// The decoded value of a path parameter: `path("id")` for `/orders/{id}`.
///
/// A request to a route without the parameter has no key, so it runs without a lock. So does every request if the name is
/// misspelt. If the layer is [`required`](crate::RedlockLayer::required), it is rejected with 500, and an event names the
/// parameter and the route.
///
/// Outside of a router there are no parameters: a layer around one rejects every request with 500.
#[must_use]
pub fn path(parameter: &'static str) -> Path {
    Path(parameter)
}

impl KeyExtractor for Path {
    type Future = Extracted;
    type Scope = Unstated;
    type Reads = HeadOnly;

    fn extract(&self, parts: &Parts) -> Self::Future {
        // Only axum's own extractors can read the parameters, and they need a mutable head.
        let mut request = Request::new(());
        *request.extensions_mut() = parts.extensions.clone();
        let mut parts = request.into_parts().0;
        match RawPathParams::from_request_parts(&mut parts, &()).now_or_never() {
            Some(Ok(found)) if found.iter().all(|(name, _)| name != self.0) => {
                let route = parts.extensions.get::<axum::extract::MatchedPath>();
                let route = route.map_or("", |route| route.as_str());
                ready(Err(KeyError::not_provided(format!(
                    "the route `{route}` has no path parameter `{}`",
                    self.0
                ))))
            }
            Some(Ok(found)) => single(
                "path parameter",
                self.0,
                found
                    .iter()
                    .filter(|(name, _)| *name == self.0)
                    .map(|(_, value)| value),
            ),
            Some(Err(RawPathParamsRejection::MissingPathParams(_))) => {
                let what = format!("the path parameter `{}`", self.0);
                ready(without_route(&parts.extensions, &what))
            }
            Some(Err(_)) => ready(Err(KeyError::invalid(format!(
                "the path parameter `{}` is not UTF-8",
                self.0
            )))),
            None => ready(Ok(None)),
        }
    }
}

/// A router that found no route answers with its fallback, which needs no lock.
fn without_route(extensions: &Extensions, what: &str) -> Result<Option<Key>, KeyError> {
    if extensions.get::<OriginalUri>().is_some() {
        return Ok(None);
    }
    let error = KeyError::misconfigured(format!(
        "the layer is outside of the router that knows {what}"
    ));
    events::key_not_provided(&error);
    Err(error)
}

/// The key from the route: see [`matched_path`].
#[derive(Clone, Copy, Debug)]
pub struct MatchedPath;

/// The route itself, such as `/orders/{id}`: one request at a time over all users.
///
/// A request that matched no route has no key. A layer outside of the router rejects every request with 500.
#[must_use]
pub fn matched_path() -> MatchedPath {
    MatchedPath
}

impl KeyExtractor for MatchedPath {
    type Future = Ready<Result<Option<Key>, KeyError>>;
    type Scope = Unstated;
    type Reads = HeadOnly;

    fn extract(&self, parts: &Parts) -> Self::Future {
        let Some(path) = parts.extensions.get::<axum::extract::MatchedPath>() else {
            return ready(without_route(&parts.extensions, "the route"));
        };
        let path = crate::key::render::unslashed(path.as_str());
        ready(Ok(Some(Key::named("route", path))))
    }
}
