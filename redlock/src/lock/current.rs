//! Which lock the current task runs under.

use crate::lock::{held::Held, reentrancy};

/// The innermost lock that the current task runs under: inside of `run`, the layer, the attribute,
/// or [`Held::scope`](crate::Held::scope). The lock may have been lost since.
///
/// A task that is spawned inside runs under no lock: pass the [`Held`](crate::Held) to it.
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
    reentrancy::holds().next().map(|hold| Held::new(&hold))
}

/// The lock of `key` that the current task runs under, for code that must not run without it.
///
/// `key` is that of the request, without the namespace of the client. If locks with the same key are nested, for example those
/// of two clients, the innermost one is returned. A permit of a semaphore with this key counts as well, and so does either side of a
/// read/write lock: code that writes cannot tell by this that it runs under the writer's side. The lock may have been lost: check
/// the [`Held`](crate::Held), or pass its token to the store.
///
/// # Panics
/// If the current task does not run under a lock of `key`, see [`current`]. The message contains the key, and those of the locks
/// that the task runs under.
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
    if let Some(hold) = reentrancy::holds().find(|hold| hold.lease().key().given() == key) {
        return Held::new(&hold);
    }
    let others: Vec<String> = reentrancy::holds()
        .map(|hold| format!("`{}`", hold.lease().key().given().escape_debug()))
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
