//! What is kept of a request to build the response of a rejection: the request itself is passed to the handler.

use http::{Request, request::Parts};
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(crate) struct RejectContext {
    pub(crate) grpc: bool,
    /// Only for a closure of the user: see [`RedlockLayer::on_reject`](crate::RedlockLayer::on_reject).
    pub(crate) head: Option<Arc<Parts>>,
}

impl RejectContext {
    pub(crate) fn copy_head<B>(request: &Request<B>) -> Arc<Parts> {
        let mut head = Request::new(());
        *head.method_mut() = request.method().clone();
        *head.uri_mut() = request.uri().clone();
        *head.version_mut() = request.version();
        *head.headers_mut() = request.headers().clone();
        *head.extensions_mut() = request.extensions().clone();
        Arc::new(head.into_parts().0)
    }
}
