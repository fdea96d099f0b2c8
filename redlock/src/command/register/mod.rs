//! The commands that read and write a register.

mod decode;
mod read;
mod version;
mod write;

pub(crate) use self::{
    read::ReadRegister,
    version::{RegisterAnswer, RegisterReply, Stored, Version},
    write::WriteRegister,
};

use super::{Delivery, Facts, Purpose, Scope};

/// The facts that both commands share.
const FACTS: Facts = Facts {
    rights: "get, pttl and set",
    needs_trust: true,
    delivery: Delivery::WhileWanted,
    purpose: Purpose::Other,
    scope: Scope::Key,
};
