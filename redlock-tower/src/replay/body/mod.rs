//! The bodies of requests and responses of a replay.

mod request;
mod response;

pub(super) use self::response::Tail;
pub use self::{request::RequestBody, response::ReplayBody};
