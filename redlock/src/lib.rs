#![doc = include_str!("../docs/crate.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
#[path = "macros/mod.rs"]
pub mod __private;
#[cfg(feature = "__wire")]
#[doc(hidden)]
#[path = "wire/mod.rs"]
pub mod __wire;
mod acquire;
mod client;
mod command;
mod config;
mod core;
mod env;
mod error;
mod events;
mod fault;
pub mod fence;
mod inspect;
pub mod job;
pub mod key;
mod label;
mod lease;
mod lock;
mod lock_kind;
pub mod memory;
mod node;
#[doc = include_str!("../docs/nodes.md")]
#[doc = include_str!("../docs/servers.md")]
#[doc = include_str!("../docs/events.md")]
#[doc = include_str!("../docs/metrics.md")]
pub mod operating {}
mod quorum;
mod register;
mod resp;
mod round;
#[cfg(feature = "sim")]
pub mod sim;
pub mod testing;

#[cfg(feature = "macros")]
pub use crate::__private::Outcome;
#[cfg(feature = "__fuzzing")]
#[doc(hidden)]
pub use crate::node::read as __read_answer;
pub use crate::{
    acquire::waiter_limit::WaiterLimit,
    client::{
        Redlock,
        builder::Builder,
        election::{Election, Term, leaders::Leaders},
        health::{NodeHealth, NodeState, ServerHealth},
        process_default::{get_default, set_default},
    },
    error::{Error, ErrorKind, FaultKind, NodeError, Result},
    inspect::{Holder, PermitHolder, RwLockHolders},
    job::{Job, JobHandle},
    lock::{
        current::{assert_held, current},
        guard::Guard,
        held::{Held, Lost},
        options::LockOptions,
        reentrancy::Scope,
        request::{Acquire, LockRequest},
        rwlock::RwLock,
        semaphore::{AcquireMany, Semaphore},
        several::{Guards, LockAllRequest},
        ticket::Ticket,
    },
    node::{Credentials, CredentialsProvider, NodeAddress},
    quorum::{
        restart_guard::RestartGuard,
        token::{FencingToken, InvalidToken},
    },
    register::{ReadRequest, WriteRequest},
};
#[cfg(feature = "macros")]
pub use redlock_macros::redlock;
