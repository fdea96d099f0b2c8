//! The commands of a register: what the nodes remember about a key beyond its lock.

mod decode;
mod read;
mod version;
mod write;

pub(crate) use self::{
    read::ReadRegister,
    version::{RegisterAnswer, RegisterReply, Stored, Version},
    write::WriteRegister,
};
