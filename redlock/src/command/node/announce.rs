//! Announce: a client announces its list of nodes to the node, and the node replies with its
//! identity.
//!
//! Sent by the connection itself, in its handshake and again every few seconds.

use std::time::Duration;

use super::super::{Script, encode::millis};
use crate::{
    fault::Fault,
    resp::{self, CommandWriter, Value},
};

/// What a client announces to a node.
#[derive(Clone, Debug)]
pub(crate) struct Announcement {
    /// A fresh id, for a node that has none.
    pub(crate) fresh: String,
    /// The id by which the client knows the node. Empty if it does not.
    pub(crate) known: String,
    /// The id in the node's record belongs to another node, as in a copy of its data: the node
    /// takes the fresh one.
    pub(crate) renames: bool,
    /// How many nodes the list has.
    pub(crate) size: usize,
    /// The ids of the other nodes that the client counts.
    pub(crate) others: Vec<String>,
    pub(crate) counts_this: bool,
    /// The names of all nodes of the list.
    pub(crate) names: String,
    /// For how long the list stands. Zero: only check whether it would be accepted.
    pub(crate) lifetime: Duration,
}

/// What a node replies to an announcement.
#[derive(Clone, Debug)]
pub(crate) struct NodeRecord {
    pub(crate) id: String,
    /// Changes when the node loses its data. Empty if it cannot keep the record.
    pub(crate) life: String,
    /// How long ago a client found its data emptied.
    pub(crate) emptied: Option<Duration>,
    /// The list because of which the announced one was refused.
    pub(crate) refused: Option<OtherList>,
    /// The ids by which clients knew the node before it lost its data.
    pub(crate) former: Vec<String>,
}

/// A list whose majorities need not share a node with those of ours.
#[derive(Clone, Debug)]
pub(crate) struct OtherList {
    pub(crate) ids: Vec<String>,
    pub(crate) names: String,
    /// For how long it stands if nobody announces it again.
    pub(crate) left: Duration,
}

impl Announcement {
    /// Appends the announcement to `out`, for the node list whose record is under `key`. It is
    /// always sent with its source, so no reply asks for it again, and the replies behind it belong
    /// to what was written behind it.
    pub(crate) fn encode(&self, key: &str, out: &mut Vec<u8>) {
        resp::command(out, |command| {
            command.args(["EVAL", Script::Announce.source()]);
            command.number(1).arg(key);
            self.arguments(command);
        });
    }

    fn arguments(&self, command: &mut CommandWriter<'_>) {
        let lifetime = match self.lifetime.is_zero() {
            true => 0,
            false => millis(self.lifetime),
        };
        command
            .args([self.fresh.as_str(), &self.known])
            .number(self.size as u64)
            .arg(self.others.join(","))
            .number(u64::from(self.counts_this))
            .arg(&self.names)
            .number(lifetime)
            .number(u64::from(self.renames));
    }
}

impl NodeRecord {
    /// Decodes the reply of `announce.lua`.
    pub(crate) fn decode(reply: &Value) -> Result<Self, Fault> {
        let parts = match reply {
            Value::ServerError(error) => return Err(resp::server_fault(error)),
            Value::Array(parts) => parts.as_slice(),
            _ => &[],
        };
        let [status, id, life, emptied, refused, former] = parts else {
            return Err(resp::unexpected(reply));
        };
        if resp::word(status) != Some("NODE") {
            return Err(resp::unexpected(reply));
        }
        Ok(Self {
            id: resp::text(id),
            life: resp::text(life),
            emptied: match emptied {
                Value::Int(ms) => u64::try_from(*ms).ok().map(Duration::from_millis),
                _ => None,
            },
            refused: resp::word(refused).and_then(OtherList::decode),
            former: resp::text(former)
                .split_terminator(',')
                .map(str::to_owned)
                .collect(),
        })
    }
}

impl OtherList {
    /// Decodes `<ms left> <ids> <names>`.
    fn decode(text: &str) -> Option<Self> {
        let (left, list) = text.split_once(' ')?;
        let (ids, names) = list.split_once(' ')?;
        Some(Self {
            ids: ids.split(',').map(str::to_owned).collect(),
            names: names.to_owned(),
            left: Duration::from_millis(left.parse().unwrap_or(0)),
        })
    }
}
