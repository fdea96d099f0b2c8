//! Commands about the node itself.

mod announce;
mod ping;
mod probe;

pub(super) use self::ping::decode_pong;
pub(crate) use self::{
    announce::{Announcement, NodeRecord, OtherList},
    ping::Ping,
    probe::Probe,
};
