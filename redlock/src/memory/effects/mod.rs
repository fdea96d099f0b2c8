//! The effects of this crate's scripts, as functions.
//!
//! Each does what the Lua script of the same name does, command by command, so that the two can be
//! compared line by line. A server in memory finds the function by the script's hash, or by its
//! source.

mod acquire;
mod admin;
mod batch;
mod cool_down;
mod extend;
mod guard;
mod node;
mod permits;
mod preempt;
mod put;
mod register;
mod release;
mod rw;
mod ticket;
mod waitlist;

pub(super) use super::redis::{Args, Raised, Redis, lua_number, number, short_number};
use super::server::Reply;
use crate::command::Script;

/// The effect of a script, called with its keys and arguments.
pub(super) type Effect = fn(&mut Redis<'_>, Args<'_>, Args<'_>) -> Result<Reply, Raised>;

/// The effect of `script`.
pub(super) fn effect(script: Script) -> Effect {
    match script {
        Script::Acquire | Script::AcquireStrict => acquire::acquire,
        Script::Holder => admin::inspect::holder,
        Script::Extend | Script::ExtendStrict => extend::extend,
        Script::Release => release::release,
        Script::CoolDown | Script::CoolDownStrict => cool_down::cool_down,
        Script::Preempt | Script::PreemptStrict => preempt::preempt,
        Script::JoinWaitlist => waitlist::join,
        Script::LeaveWaitlist => waitlist::leave,
        Script::AcquireRead | Script::AcquireReadStrict => rw::read::acquire,
        Script::ExtendRead | Script::ExtendReadStrict => rw::read::extend,
        Script::ReleaseRead => rw::read::release,
        Script::AcquireWrite | Script::AcquireWriteStrict => rw::write::acquire,
        Script::ExtendWrite | Script::ExtendWriteStrict => rw::write::extend,
        Script::ReleaseWrite => rw::write::release,
        Script::LeaveWrite => rw::write::leave,
        Script::ForceReleaseSides => rw::admin::force_release,
        Script::InspectSides => rw::admin::inspect,
        Script::Adopt | Script::AdoptStrict => ticket::adopt,
        Script::GiveBack => ticket::give_back,
        Script::LookPermits => permits::look,
        Script::InspectPermits => permits::inspect,
        Script::ReadRegister => register::read,
        Script::WriteRegister => register::write,
        Script::ForceRelease => admin::force_release::force_release,
        Script::Inspect => admin::inspect::inspect,
        Script::PingStrict => guard::ping,
        Script::Probe | Script::ProbeStrict => node::probe::probe,
        Script::Trust => guard::trust,
        Script::Announce => node::announce::announce,
        Script::Batch => batch::batch,
        Script::BatchStrict => batch::batch_strict,
    }
}

/// The script with this SHA1.
pub(super) fn by_hash(hash: &[u8]) -> Option<Script> {
    let mut all = Script::ALL.iter().copied();
    all.find(|script| hash.eq_ignore_ascii_case(script.hash().as_bytes()))
}

/// The script with this source.
pub(super) fn by_source(source: &[u8]) -> Option<Script> {
    let mut all = Script::ALL.iter().copied();
    all.find(|script| source == script.source().as_bytes())
}
