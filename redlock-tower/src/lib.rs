#![doc = include_str!("../docs/crate.md")]
#![doc = include_str!("../docs/placement.md")]
#![doc = include_str!("../docs/policies.md")]
#![doc = include_str!("../docs/answers.md")]
#![doc = include_str!("../docs/events.md")]

pub mod key;

mod events;
mod held;
mod http;
mod lock;
mod reject;
#[cfg(feature = "replay")]
pub mod replay;

#[cfg(feature = "axum")]
pub use self::held::HeldLockRejection;
pub use self::{
    held::HeldLock,
    http::{
        HoldUntil, Inside, LockLost, Nothing, OnDisconnect, RedlockLayer, RedlockService,
        ResponseBody, ResponseFuture,
    },
    key::{Key, KeyExtractor},
    lock::{LockError, LockFuture, LockLayer, LockService, OnLost},
    reject::{BusyStatus, Reason, Rejection},
};
