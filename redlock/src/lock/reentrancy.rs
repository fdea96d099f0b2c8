//! Which locks the current task holds, for re-entrancy. They are known inside of `run`, the layer
//! and the attribute.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pin_project::pin_project;
use tokio::task::futures::TaskLocalFuture;

use crate::{
    core::Core,
    error::{Error, Result},
    key::Key,
    lease::{Body, Hold},
};

tokio::task_local! {
    static HELD: Option<Arc<Frame>>;
}

/// A lock that the current code runs under, and the locks around it.
#[derive(Debug)]
struct Frame {
    hold: Arc<Hold>,
    outer: Option<Arc<Frame>>,
}

/// The hold of `key` that the current task runs under, if it still holds the lock.
pub(crate) fn held(core: &Arc<Core>, key: &Key) -> Option<Arc<Hold>> {
    HELD.try_with(|innermost| {
        let mut frame = innermost.as_ref();
        while let Some(Frame { hold, outer }) = frame.map(|frame| &**frame) {
            let lease = hold.lease();
            if Arc::ptr_eq(lease.core(), core) && **lease.key() == *key && hold.is_open() {
                return Some(Arc::clone(hold));
            }
            frame = outer.as_ref();
        }
        None
    })
    .ok()
    .flatten()
}

/// An error if the current task runs under so many of the `most` permits that it would wait for itself when it requests
/// `count` more. `permits`: the key of all of them.
pub(crate) fn check_permits(
    core: &Arc<Core>,
    name: &str,
    permits: &Key,
    most: u16,
    count: usize,
) -> Result<()> {
    let is_one = |hold: &Arc<Hold>| {
        let (lease, key) = (hold.lease(), hold.lease().key());
        Arc::ptr_eq(lease.core(), core) && key.waiters() == permits.waiters() && hold.is_open()
    };
    match holds().filter(is_one).count() {
        held if held > 0 && held.saturating_add(count) > usize::from(most) => {
            Err(Error::permits_already_held(name, held, most))
        }
        _ => Ok(()),
    }
}

/// The holds that the current task runs under, the innermost first.
pub(super) fn holds() -> impl Iterator<Item = Arc<Hold>> {
    let innermost = HELD.try_with(Clone::clone).ok().flatten();
    let frames = std::iter::successors(innermost, |frame| frame.outer.clone());
    frames.map(|frame| Arc::clone(&frame.hold))
}

/// Polls a request as if its task ran under these locks as well.
pub(crate) fn under<T>(held: impl Iterator<Item = Arc<Hold>>, poll: impl FnOnce() -> T) -> T {
    let known: Vec<Arc<Hold>> = holds().collect();
    let innermost = HELD.try_with(Clone::clone).ok().flatten();
    let innermost = held
        .filter(|hold| !known.iter().any(|known| Arc::ptr_eq(known, hold)))
        .fold(innermost, |outer, hold| {
            Some(Arc::new(Frame { hold, outer }))
        });
    HELD.sync_scope(innermost, poll)
}

/// A future that runs under a held lock. Made by [`Held::scope`](crate::Held::scope).
///
/// When it is dropped, it drops the body first. If the lock was lost meanwhile, it is released
/// after that.
#[pin_project]
#[must_use = "futures do nothing unless awaited"]
pub struct Scope<F> {
    #[pin]
    body: TaskLocalFuture<Option<Arc<Frame>>, F>,
    /// Declared after the body, so that it is dropped after it.
    _running: Body,
}

impl<F: Future> Scope<F> {
    /// `name` names the body in warnings.
    pub(crate) fn new(hold: Arc<Hold>, name: &'static str, body: F) -> Self {
        let outer = HELD.try_with(Clone::clone).ok().flatten();
        Self {
            _running: Body::new(Arc::clone(&hold), name),
            body: HELD.scope(Some(Arc::new(Frame { hold, outer })), body),
        }
    }
}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().body.poll(cx)
    }
}

/// A future that runs under several held locks, as under nested [`Scope`]s of all of them.
#[pin_project]
#[must_use = "futures do nothing unless awaited"]
pub(crate) struct ScopeOfAll<F> {
    #[pin]
    body: TaskLocalFuture<Option<Arc<Frame>>, F>,
    /// Declared after the body, so that they are dropped after it.
    _running: Vec<Body>,
}

impl<F: Future> ScopeOfAll<F> {
    pub(crate) fn new<'a>(holds: impl Iterator<Item = &'a Arc<Hold>>, body: F) -> Self {
        let name = std::any::type_name::<F>();
        let mut innermost = HELD.try_with(Clone::clone).ok().flatten();
        let mut running = Vec::with_capacity(holds.size_hint().0);
        for hold in holds {
            running.push(Body::new(Arc::clone(hold), name));
            innermost = Some(Arc::new(Frame {
                hold: Arc::clone(hold),
                outer: innermost,
            }));
        }
        Self {
            body: HELD.scope(innermost, body),
            _running: running,
        }
    }
}

impl<F: Future> Future for ScopeOfAll<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().body.poll(cx)
    }
}

impl<F> std::fmt::Debug for Scope<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}
