//! Commands that take, extend and end a lock.

mod acquire;
mod cool_down;
mod extend;
mod preempt;
mod release;

pub(crate) use self::{
    acquire::{Acquire, decode_acquire},
    cool_down::CoolDown,
    extend::{Extend, decode_extend},
    preempt::{Preempt, newer_request},
    release::{Release, decode_release},
};
