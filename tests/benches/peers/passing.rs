//! A service under the layer, and requests that the layer lets pass. Shared with the counter of allocations.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
};

use axum::body::Bytes;
use http::{Method, Request, Response};
use http_body_util::{Empty, Full};
use tower::Service;

/// Answers at once.
#[derive(Clone, Copy)]
pub(crate) struct Plain;

impl Service<Request<Empty<Bytes>>> for Plain {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Empty<Bytes>>) -> Self::Future {
        black_box(request);
        ready(Ok(Response::new(Full::default())))
    }
}

/// Why the layer lets a request pass.
#[derive(Clone, Copy)]
pub(crate) enum Passes {
    /// A method that changes nothing.
    Get,
    /// A POST that has no key.
    NoKey,
}

impl Passes {
    pub(crate) fn request(self) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = match self {
            Self::Get => Method::GET,
            Self::NoKey => Method::POST,
        };
        request
    }
}

/// One request, which is answered at once.
pub(crate) fn call<S: Service<Request<Empty<Bytes>>>>(
    service: &mut S,
    request: Request<Empty<Bytes>>,
) {
    let mut context = Context::from_waker(Waker::noop());
    _ = black_box(service.poll_ready(&mut context).is_ready());
    let future = pin!(service.call(black_box(request)));
    // Dropping the response is part of it.
    _ = black_box(future.poll(&mut context).is_ready());
}
