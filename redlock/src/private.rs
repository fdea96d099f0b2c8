//! What the expansion of `#[redlock]` calls. Not public: it changes with the attribute, in any release.

#[path = "private/call.rs"]
mod call;
#[path = "private/ending.rs"]
mod ending;
#[path = "private/failure.rs"]
mod failure;
#[path = "private/fire.rs"]
mod fire;
#[path = "private/handle.rs"]
mod handle;
#[path = "private/hold.rs"]
mod hold;
#[path = "private/key.rs"]
mod key;
#[cfg(feature = "http")]
#[path = "private/reply.rs"]
mod reply;

pub use call::Call;
pub use ending::{
    AnySuccess, Dedupe, Ending, PlainReply, Reply, ResultOfAny, ResultOfReply, Returned, success,
    success_with,
};
pub use failure::{ErrorFromLock, FromLockError, Skipped, Unreturned, on_error, skip, skip_busy};
pub use fire::{
    Fire, Firing, FiringSince, FiringSinceRef, FiringText, FiringTime, FiringTimeRef, Name,
};
pub use handle::Handle;
pub use key::{Key, Part};

/// Ends the lock of a body that panicked, for layers that let the panic go on afterwards.
pub async fn end_panicked(guard: crate::Guard) {
    guard.end_badly().await;
}
