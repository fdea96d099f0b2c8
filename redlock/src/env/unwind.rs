//! A body that panics: what has to be awaited is awaited before the panic is resumed.

use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

/// The payload of a panic.
pub(crate) type Panic = Box<dyn Any + Send>;

/// Runs `body`, which is dropped when this returns. The caller resumes the panic, so nobody
/// observes an inconsistent state.
pub(crate) async fn caught<F: Future>(body: F) -> Result<F::Output, Panic> {
    let mut body = pin!(body);
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| body.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        },
    )
    .await
}
