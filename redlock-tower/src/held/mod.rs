//! The held lock as the handler sees it.

#[cfg(feature = "axum")]
mod extractor;
mod lock;
mod unlocked;

#[cfg(feature = "axum")]
pub use self::extractor::HeldLockRejection;
pub use self::lock::HeldLock;
pub(crate) use self::unlocked::Unlocked;
