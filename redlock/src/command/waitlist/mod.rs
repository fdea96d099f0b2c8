//! The waitlist of a lock: the inboxes of processes that wait for it, and the notifications to them.
//!
//! An inbox is a channel that a process subscribes to on every node. A notification names the owner who released the lock,
//! and the lock: `<owner><lock>`.

mod join;
mod leave;

use std::sync::Arc;

pub(crate) use self::{join::JoinWaitlist, leave::LeaveWaitlist};
use super::Owner;
use crate::resp::Value;

/// Replaces the owner in the notification to the second waiter: see `notify.lua`.
pub(crate) const SECOND: &str = "00000000000000000000000000000000";

/// Where a process is notified that a lock is free.
#[derive(Clone, Debug)]
pub(crate) struct Inbox {
    pub(crate) name: Arc<str>,
    /// Since when the process has waited, or when it was last served, in microseconds of the token
    /// clock. The longest waiter is notified first.
    pub(crate) since: u64,
}

/// Decodes a pub/sub message: the lock, and the owner who released it.
pub(crate) fn decode_notification(message: &[Value]) -> Option<(String, String)> {
    let [_, Value::BulkString(payload)] = message else {
        return None;
    };
    let (by, key) = payload.split_at_checked(Owner::LEN)?;
    let string = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    Some((string(key)?, string(by)?))
}
