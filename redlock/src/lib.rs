#![doc = include_str!("../docs/crate.md")]
#![doc = include_str!("../docs/events.md")]

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod admission;
mod all;
mod background;
mod builder;
mod client;
mod clock;
mod core;
mod defaults;
mod error;
mod events;
mod guard;
mod health;
mod keeper;
pub mod key;
mod lease;
mod limits;
mod look;
mod mutant;
mod node;
mod pending;
mod protocol;
mod pursuit;
mod queue;
mod random;
mod request;
mod round;
mod scope;
mod service;
mod sync;
mod unwind;
mod waiters;

#[cfg(feature = "__mutants")]
#[doc(hidden)]
pub use crate::mutant::{Mutant as __Mutant, make as __make};
#[cfg(feature = "__fuzzing")]
#[doc(hidden)]
pub use crate::node::read as __read_answer;
pub use crate::{
    all::{Guards, LockAllRequest},
    builder::Builder,
    client::Redlock,
    defaults::{get_default, set_default},
    error::{Error, ErrorKind, FaultKind, NodeError, Result},
    guard::{Guard, Held, Lost},
    health::{NodeHealth, NodeState, ServerHealth},
    look::Holder,
    node::{NodeAddress, memory},
    protocol::{
        guard_time::RestartGuard,
        token::{FencingToken, InvalidToken},
    },
    request::{Acquire, LockRequest},
    scope::{Scope, current},
    waiters::WaiterLimit,
};
#[cfg(feature = "macros")]
pub use redlock_macros::redlock;
