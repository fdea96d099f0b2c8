//! Whether a key is in the head of a request or in its body, stated in the type of its extractor.
//!
//! A layer whose key is in the head passes the body on as its own type, and costs nothing for it.

use super::{BoxError, Reader, RequestBody, source::Source};
use bytes::Bytes;
use http::{Extensions, Request};
use http_body::Body;
use std::task::{Context, Poll};

/// What an extractor reads of a request: [`HeadOnly`] or [`WithBody`]. Sealed.
pub trait Reads: sealed::Sealed + 'static {
    /// What a key with two parts, or with an alternative, reads: the body, if one of them does.
    type And<R: Reads>: Reads;

    /// The body that the handler receives.
    type Body<B>: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;

    #[doc(hidden)]
    type Source<B>: Send
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;

    /// Takes the body, and offers it to the extractors by an extension of the request.
    #[doc(hidden)]
    fn offer<B>(request: Request<B>, limit: usize) -> Request<Self::Source<B>>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;

    /// Removes the extension once the extractor has it, so that the handler does not find it.
    #[doc(hidden)]
    fn withdraw(extensions: &mut Extensions);

    /// Reads the body if an extractor has asked for it. Ready once it was read, and the extractors can be polled again.
    #[doc(hidden)]
    fn poll_read<B>(source: &mut Self::Source<B>, cx: &mut Context<'_>) -> Poll<()>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;

    /// The request for the handler.
    #[doc(hidden)]
    fn pass_on<B>(request: Request<Self::Source<B>>) -> Request<Self::Body<B>>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;

    /// The request for the handler, whose body nobody has asked for.
    #[doc(hidden)]
    fn pass<B>(request: Request<B>) -> Request<Self::Body<B>>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;
}

/// The extractor reads the head of a request only. Its body is not touched.
#[derive(Clone, Copy, Debug)]
pub enum HeadOnly {}

/// The extractor may read the body, up to the limit of [`max_body`](crate::RedlockLayer::max_body).
#[derive(Clone, Copy, Debug)]
pub enum WithBody {}

impl Reads for HeadOnly {
    type And<R: Reads> = R;
    type Body<B>
        = B
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;
    type Source<B>
        = B
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;

    fn offer<B>(request: Request<B>, _: usize) -> Request<B>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        request
    }

    fn withdraw(_: &mut Extensions) {}

    fn poll_read<B>(_: &mut B, _: &mut Context<'_>) -> Poll<()>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        Poll::Pending
    }

    fn pass_on<B>(request: Request<B>) -> Request<B>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        request
    }

    fn pass<B>(request: Request<B>) -> Request<B>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        request
    }
}

impl Reads for WithBody {
    type And<R: Reads> = Self;
    type Body<B>
        = RequestBody<B>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;
    type Source<B>
        = Source<B>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;

    fn offer<B>(mut request: Request<B>, limit: usize) -> Request<Source<B>>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let reader = Reader::default();
        request.extensions_mut().insert(reader.clone());
        request.map(|body| Source::new(body, reader, limit))
    }

    fn withdraw(extensions: &mut Extensions) {
        extensions.remove::<Reader>();
    }

    fn poll_read<B>(source: &mut Source<B>, cx: &mut Context<'_>) -> Poll<()>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        source.poll_read(cx)
    }

    fn pass_on<B>(request: Request<Source<B>>) -> Request<RequestBody<B>>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        request.map(Source::into_body)
    }

    fn pass<B>(request: Request<B>) -> Request<RequestBody<B>>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        request.map(RequestBody::unread)
    }
}

#[allow(unnameable_types)]
mod sealed {
    pub trait Sealed {}

    impl Sealed for super::HeadOnly {}
    impl Sealed for super::WithBody {}
}
