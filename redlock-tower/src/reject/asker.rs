//! Whom a rejection answers.

use http::{Request, request::Parts};
use std::sync::Arc;

/// What is kept of a request to answer it in the layer's own name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asker {
    pub(crate) grpc: bool,
    /// Only where a closure of the user's asks for it: the request itself is the handler's.
    pub(crate) head: Option<Arc<Parts>>,
}

impl Asker {
    /// A copy of the head of `request`.
    pub(crate) fn head_of<B>(request: &Request<B>) -> Arc<Parts> {
        let mut head = Request::new(());
        *head.method_mut() = request.method().clone();
        *head.uri_mut() = request.uri().clone();
        *head.version_mut() = request.version();
        *head.headers_mut() = request.headers().clone();
        *head.extensions_mut() = request.extensions().clone();
        Arc::new(head.into_parts().0)
    }
}
