//! Commands that take, extend and end a lock.

mod acquire;
mod cool_down;
mod extend;
mod release;

pub(crate) use self::{
    acquire::{Acquire, decode_acquire},
    cool_down::CoolDown,
    extend::{Extend, decode_extend},
    release::{Release, decode_release},
};
