//! One script call with several commands: its encoding, and the decoding of its reply.

use super::super::{Form, Request, Script, Session, encode::Encoder};
use crate::{
    fault::Fault,
    resp::{self, Value},
};

/// Maximum number of commands in a call. A call of this size blocks the server for half a millisecond.
pub(crate) const MAX_COMMANDS: usize = 64;

/// Appends one call with all of `requests`, which have different keys and are [batchable]; others are left out. Acquires come
/// first.
///
/// [batchable]: crate::command::Command::is_batchable
pub(crate) fn encode_batch<'r>(
    requests: impl Iterator<Item = &'r Request>,
    with_source: bool,
    session: &Session,
    out: &mut Vec<u8>,
) {
    let mut parts = Vec::with_capacity(MAX_COMMANDS);
    parts.extend(requests.filter_map(|request| Some((request, request.command.parts().part()?))));
    let mut keys: usize = parts.iter().map(|(_, part)| part.keys()).sum();
    let mut args: usize = parts.iter().map(|(_, part)| usize::from(part.args)).sum();
    let marker = session.marker.as_ref();
    let script = match marker {
        Some(_) => Script::BatchStrict,
        None => Script::Batch,
    };
    if marker.is_some() {
        keys += 2;
        args += 2;
    }
    // The script, the number of keys, and what the commands have in common.
    let count = 3 + keys + 3 + args;
    resp::command_of(count, out, |command| {
        match with_source {
            true => command.args(["EVAL", script.source()]),
            false => command.args(["EVALSHA", script.hash()]),
        };
        command.number(keys as u64);
        command.args(parts.iter().map(|(request, _)| request.key.lock()));
        let fenced = parts.iter().filter(|(_, part)| part.has_fence);
        command.args(fenced.map(|(request, _)| request.key.fence()));
        let waiting = parts.iter().filter(|(_, part)| part.uses_waitlist);
        for (request, _) in waiting {
            command.joined(request.key.waiters_in_parts());
        }
        if let Some(marker) = marker {
            command.args([&marker.key, &marker.quarantine_key]);
        }
        command.bytes(parts.iter().map(|(_, part)| part.letter));
        let mut encoder = Encoder::new(command, Form::Hash, session);
        encoder.retention().channel();
        if let Some(marker) = marker {
            encoder.arg(&marker.value).millis(marker.guard_time);
        }
        for (request, _) in &parts {
            request.command.parts().encode_part(&mut encoder);
        }
    });
}

/// What the reply to a batch means for its commands.
#[derive(Debug)]
pub(crate) enum BatchReply<'a> {
    /// The reply to each of them.
    Each(&'a [Value]),
    /// None of them ran.
    Refused {
        /// The next call has to contain the source of the script.
        needs_source: bool,
    },
    /// Any of them may have run.
    Unknown(Fault),
}

/// Codes of errors with which a server refuses a call before it runs the script. The batch script itself raises none of them:
/// it replies with the errors of its commands.
const REFUSALS: [&str; 16] = [
    "NOSCRIPT",
    "LOADING",
    "BUSY",
    "OOM",
    "READONLY",
    "MASTERDOWN",
    "MISCONF",
    "NOREPLICAS",
    "NOPERM",
    "NOAUTH",
    "DENIED",
    "MOVED",
    "ASK",
    "TRYAGAIN",
    "CROSSSLOT",
    "CLUSTERDOWN",
];

/// Decodes the reply to a batch of `count` commands.
pub(crate) fn decode_batch(reply: &Value, count: usize) -> BatchReply<'_> {
    match reply {
        Value::Array(replies) if replies.len() == count => BatchReply::Each(replies),
        Value::ServerError(error) if resp::refuses_hashes(error) => {
            BatchReply::Refused { needs_source: true }
        }
        Value::ServerError(error) if REFUSALS.contains(&error.code()) => BatchReply::Refused {
            needs_source: resp::is_unknown_script(error),
        },
        Value::ServerError(error) => {
            let fault = resp::server_fault(error);
            BatchReply::Unknown(Fault::unknown(fault.kind, fault.text))
        }
        _ => BatchReply::Unknown(resp::unexpected(reply)),
    }
}
