#![doc = include_str!("../docs/crate.md")]
#![doc = include_str!("../docs/placement.md")]
#![doc = include_str!("../docs/options.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(doc, doctest))]
#[doc = include_str!("../docs/policies.md")]
pub mod policies {}

#[cfg(any(doc, doctest))]
#[doc = include_str!("../docs/rejections.md")]
#[doc = include_str!("../docs/events.md")]
#[doc = include_str!("../docs/metrics.md")]
pub mod operating {}

#[cfg(all(any(doc, doctest), feature = "axum", feature = "replay"))]
#[doc = include_str!("../docs/recipes.md")]
pub mod recipes {}

mod body;
mod events;
mod held;
mod http;
pub mod key;
mod lock;
mod metrics;
mod reject;
#[cfg(feature = "replay")]
pub mod replay;
mod runner;

#[cfg(feature = "axum")]
pub use self::held::HeldLockRejection;
pub use self::{
    body::RequestBody,
    held::HeldLock,
    http::{
        HoldUntil, LockLost, OnDisconnect, RedlockLayer, RedlockService, ResponseBody,
        ResponseFuture,
    },
    key::{Key, KeyExtractor},
    lock::{LockError, LockFuture, LockLayer, LockService},
    reject::{BusyStatus, Reason, Rejection},
    runner::{InFlight, OnLost},
};
