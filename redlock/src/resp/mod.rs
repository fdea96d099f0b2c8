//! The wire format of Redis, [RESP](https://redis.io/docs/latest/develop/reference/protocol-spec/)
//! versions 2 and 3: writing commands, framing and reading replies.
//!
//! Values are parsed by the `redis` crate, except for `+OK`, which nearly all replies are.

mod command;
mod error;
mod frame;
mod value;

pub(crate) use redis::Value;

pub(crate) use command::{CommandWriter, command, command_of};
#[cfg(feature = "sentinel")]
pub(crate) use error::fault;
pub(crate) use error::{is_unknown_script, refuses_hashes, server_fault};
pub(crate) use frame::{Length, Skip, length, parse, parse_with, skipped};
#[cfg(feature = "sentinel")]
pub(crate) use value::field;
pub(crate) use value::{number, setting, text, time, unexpected, word};
