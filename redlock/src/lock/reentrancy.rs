//! Which locks the current task holds, for re-entrancy: known inside `run`, the layer and the attribute.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pin_project::pin_project;
use tokio::task::futures::TaskLocalFuture;

use crate::{
    core::Core,
    key::Key,
    lease::{Body, Hold},
    lock::guard::Held,
};

tokio::task_local! {
    static HELD: Option<Arc<Frame>>;
}

/// A lock held around the code that runs, and those around it.
#[derive(Debug)]
struct Frame {
    hold: Arc<Hold>,
    outer: Option<Arc<Frame>>,
}

impl Frame {
    /// The key without the namespace.
    fn given_key(&self) -> &str {
        let lease = self.hold.lease();
        let key = lease.key().lock();
        key.strip_prefix(&*lease.core().defaults.namespace)
            .unwrap_or(key)
    }
}

/// The hold of `key` that the current task runs under, if it still holds.
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

/// The innermost lock that the current task runs under: inside of `run`, of the layer, of the attribute, and of
/// [`Held::scope`](crate::Held::scope). Lost or not: ask it.
///
/// A task that is spawned inside runs under no lock: hand it the [`Held`](crate::Held).
///
/// ```
/// # use redlock::{Redlock, memory::Nodes};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
/// # let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
/// async fn write() {
///     let lock = redlock::current().expect("write is called under a lock");
///     println!("writing with token {}", lock.token());
/// }
/// assert!(redlock::current().is_none());
/// redlock.lock("invoice:42").run(async |_| write().await).await?;
/// # Ok(()) }
/// ```
#[must_use]
pub fn current() -> Option<Held> {
    let innermost = HELD.try_with(Clone::clone).ok().flatten()?;
    Some(Held::new(&innermost.hold))
}

/// The lock of `key` that the current task runs under, for code that must not run without it.
///
/// `key` is what the request was given, without the namespace of the client. Where locks of the same key are nested, as those
/// of two clients, it is the innermost. The lock may be lost by now, which is no mistake of the program: ask the
/// [`Held`](crate::Held), or hand its token to the store.
///
/// # Panics
/// If the current task does not run under a lock of `key`, as [`current`] has it. The message names the key and the locks that
/// it runs under.
///
/// # Examples
/// ```
/// # use redlock::{Redlock, memory::Nodes};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
/// # let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
/// async fn write(invoice: u32) {
///     let lock = redlock::assert_held(&format!("invoice:{invoice}"));
///     println!("writing with token {}", lock.token());
/// }
/// redlock.lock("invoice:42").run(async |_| write(42).await).await?;
/// # Ok(()) }
/// ```
#[track_caller]
pub fn assert_held(key: &str) -> Held {
    let innermost = HELD.try_with(Clone::clone).ok().flatten();
    let frames = || std::iter::successors(innermost.as_deref(), |frame| frame.outer.as_deref());
    if let Some(frame) = frames().find(|frame| frame.given_key() == key) {
        return Held::new(&frame.hold);
    }
    let others: Vec<String> = frames()
        .map(|frame| format!("`{}`", frame.given_key().escape_debug()))
        .collect();
    let others = match others.is_empty() {
        true => "no lock".to_owned(),
        false => format!("the lock of {} only", others.join(", ")),
    };
    panic!(
        "this code must run under the lock of `{}`, and it runs under {others}: call it inside of `run`, a layer or an \
         attribute with that key; a task that is spawned there runs under none",
        key.escape_debug()
    );
}

/// A future that runs under a held lock. Made by [`Held::scope`](crate::Held::scope).
///
/// Dropped, it drops the body first; a lock that was lost meanwhile is released behind that.
#[pin_project]
#[must_use = "futures do nothing unless awaited"]
pub struct Scope<F> {
    #[pin]
    body: TaskLocalFuture<Option<Arc<Frame>>, F>,
    /// Behind the body, so that it is dropped after it.
    _running: Body,
}

impl<F: Future> Scope<F> {
    /// `name`: what the body is called in warnings.
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
    /// Behind the body, so that they are dropped after it.
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
