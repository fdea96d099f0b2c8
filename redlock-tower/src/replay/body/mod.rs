//! The bodies of responses of a replay.

mod response;

pub use self::response::ReplayBody;
pub(super) use self::response::Tail;
