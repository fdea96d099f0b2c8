//! The held lock as the handler sees it.

#[cfg(feature = "axum")]
mod extract;
mod lock;
mod passed;

#[cfg(feature = "axum")]
pub use self::extract::HeldLockRejection;
pub use self::lock::HeldLock;
pub(crate) use self::passed::Passed;
