//! What servers answer, as replies. Anything may come back; nothing of it panics.

use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind, Value};

use crate::{
    key::{FENCE, Key},
    node::{
        Command, Fault, FaultKind, KeyState, Owner, Reply, Request, Strict, fingerprint,
        lists::{Introduction, Other},
    },
    quorum::token::FencingToken,
};

/// How far a call has come: most take one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::node) enum Step {
    /// As a script by its hash, or a plain command.
    First,
    /// The script with its source, after the server said that it does not know it.
    BySource,
    /// How long the key is still held, and whether that is a cool-down, after a plain `SET NX` was refused.
    AskLeft,
    /// The same, with the source of the script.
    AskLeftBySource,
    /// As the first, of the server that the key's slot is on its way to.
    Importing,
    /// As [`AskLeft`](Self::AskLeft), of that server.
    ImportingAskLeft,
}

impl Step {
    /// The step after the server said that it does not know the script.
    fn by_source(self) -> Option<Self> {
        match self {
            Self::First => Some(Self::BySource),
            Self::AskLeft => Some(Self::AskLeftBySource),
            _ => None,
        }
    }

    /// Whether the server has to be told that the slot is on its way to it.
    pub(in crate::node) fn is_importing(self) -> bool {
        matches!(self, Self::Importing | Self::ImportingAskLeft)
    }

    /// Whether the server has said that it does not know the script.
    pub(in crate::node) fn is_by_source(self) -> bool {
        matches!(self, Self::BySource | Self::AskLeftBySource)
    }

    pub(super) fn asks_left(self) -> bool {
        matches!(
            self,
            Self::AskLeft | Self::AskLeftBySource | Self::ImportingAskLeft
        )
    }
}

/// What an answer means.
#[derive(Debug)]
pub(in crate::node) enum Answer {
    Vote(Reply),
    Saw(KeyState),
    /// Ask on.
    Next(Step),
}

impl Answer {
    /// Whether somebody holds the key, or a plain `SET NX` was refused.
    pub(in crate::node) fn tells_a_holder(&self) -> bool {
        match self {
            Self::Vote(reply) => matches!(reply, Reply::Held { .. }),
            Self::Saw(sight) => sight.owner.is_some(),
            Self::Next(step) => step.asks_left(),
        }
    }
}

pub(super) fn answer(request: &Request, step: Step, said: &Value) -> Answer {
    match understood(&request.command, step, said) {
        Answer::Vote(Reply::Failed(fault)) => {
            let fault = without_arguments(fault, &request.key);
            failed(match fault.kind {
                FaultKind::Permission => with_rights(fault, request),
                _ => fault,
            })
        }
        answer => answer,
    }
}

fn understood(command: &Command, step: Step, value: &Value) -> Answer {
    if let Value::ServerError(error) = value {
        let error = RedisError::from(error.clone());
        if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
            && let Some(next) = step.by_source()
        {
            return Answer::Next(next);
        }
        return failed(fault(&error));
    }
    if step.asks_left() {
        return left(value);
    }
    match (command, value) {
        (Command::Acquire { token: None, .. }, Value::Nil) => Answer::Next(match step {
            Step::Importing => Step::ImportingAskLeft,
            _ => Step::AskLeft,
        }),
        (Command::Inspect, Value::Array(parts)) => look(parts),
        (Command::Inspect, other) => failed(unexpected(other)),
        (_, Value::Okay) => Answer::Vote(Reply::Yes),
        (_, Value::SimpleString(word)) => match word.as_str() {
            "OK" | "PONG" => Answer::Vote(Reply::Yes),
            "WOKE" => Answer::Vote(Reply::Notified),
            "HEALED" => Answer::Vote(Reply::Restored),
            "GONE" => Answer::Vote(Reply::Gone),
            _ => failed(unexpected(value)),
        },
        (_, Value::Array(parts)) => structured(parts, value),
        (_, other) => failed(unexpected(other)),
    }
}

/// What is left of another's key, and its value.
fn left(value: &Value) -> Answer {
    match value {
        Value::Array(parts) => match parts.as_slice() {
            [Value::Int(-1), _] => failed(no_expiry()),
            [Value::Int(left), value] => Answer::Vote(Reply::Held {
                left: millis(*left),
                fence: 0,
                by: 0,
                cools: Owner::is_cool_down(text(value).as_bytes()),
                notifies: false,
            }),
            _ => failed(unexpected(value)),
        },
        other => failed(unexpected(other)),
    }
}

/// `{WORD, …}`, as the scripts answer what is neither yes nor no.
fn structured(parts: &[Value], whole: &Value) -> Answer {
    let word = parts.first().map(text).unwrap_or_default();
    let rest = parts.get(1..).unwrap_or_default();
    let said = || rest.first().map(text).unwrap_or_default();
    match (word.as_str(), rest) {
        ("HELD", [Value::Int(left), fence, owner, unlisted @ ..]) => {
            let owner = text(owner);
            Answer::Vote(Reply::Held {
                left: millis(*left),
                // A fence that no token can be says nothing, and the key is busy all the same.
                fence: token(fence).unwrap_or(0),
                by: fingerprint(owner.as_bytes()),
                cools: Owner::is_cool_down(owner.as_bytes()),
                notifies: unlisted.is_empty() && Owner::notifies(owner.as_bytes()),
            })
        }
        ("STALE", [fence]) => match token(fence) {
            Some(fence) => Answer::Vote(Reply::Stale { fence }),
            None => failed(unexpected(whole)),
        },
        ("QUARANTINED", [Value::Int(left)]) => Answer::Vote(Reply::Quarantined {
            left: millis(*left),
        }),
        ("MAXTTL", _) => failed(Strict::other_max_ttl(&said())),
        ("EPOCH", _) => failed(Strict::outdated()),
        ("NOEXPIRY", _) => failed(no_expiry()),
        ("BADFENCE", _) => failed(Fault::bad_fence()),
        ("WRONGTYPE", _) => failed(wrong_type(&said())),
        _ => failed(unexpected(whole)),
    }
}

fn look(parts: &[Value]) -> Answer {
    let [owner, left, fence] = parts else {
        return failed(unexpected(&Value::Array(parts.to_vec())));
    };
    let owner = match owner {
        Value::BulkString(bytes) => Some(bytes.clone()),
        _ => None,
    };
    let left = match left {
        Value::Int(left) => millis(*left),
        _ => Duration::ZERO,
    };
    Answer::Saw(KeyState {
        owner,
        left,
        fence: number(fence).unwrap_or(0),
    })
}

fn failed(fault: Fault) -> Answer {
    Answer::Vote(Reply::Failed(fault))
}

fn no_expiry() -> Fault {
    Fault::untouched(
        FaultKind::NoExpiry,
        "the key has no expiry, so it is no lock and will never be free: delete it or choose another key",
    )
}

/// Shows nothing of what was answered: anything may stand there, the login too where a server or a proxy repeats it.
fn unexpected(value: &Value) -> Fault {
    let what = match value {
        Value::Nil => "nothing".to_owned(),
        Value::Int(_) => "a number".to_owned(),
        Value::Array(parts) => format!("an array of {} parts", parts.len()),
        Value::Map(_) => "a map".to_owned(),
        Value::BulkString(bytes) => format!("a text of {} bytes", bytes.len()),
        Value::SimpleString(text) => format!("a text of {} bytes", text.len()),
        _ => "another kind of value".to_owned(),
    };
    Fault::unknown(
        FaultKind::Other,
        format!("the server answered what was not understood: {what}"),
    )
}

/// `at` is the key that the script could not use.
fn wrong_type(at: &str) -> Fault {
    let (which, of_it) = if at.ends_with(FENCE) {
        ("fence", "no token: delete it if it is not yours")
    } else {
        ("key", "not a lock: choose another key")
    };
    Fault::untouched(
        FaultKind::WrongType,
        format!("the {which} holds a hash, a list or the like, {of_it}"),
    )
}

/// What a server says of a command may repeat the command's arguments, which name the key.
fn without_arguments(mut fault: Fault, key: &Key) -> Fault {
    let mut text = fault.text.into_owned();
    if let Some(at) = text.find(", with args beginning with") {
        text.truncate(at);
    }
    if text.contains(key.lock()) {
        text = hidden(&text, key.lock());
    }
    fault.text = text.into();
    fault
}

/// Without `name`, where it is not a part of a longer word.
fn hidden(text: &str, name: &str) -> String {
    let joins = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let mut rest = text;
    let mut kept = String::with_capacity(text.len());
    while let Some(at) = rest.find(name) {
        let (before, after) = (&rest[..at], &rest[at + name.len()..]);
        kept.push_str(before);
        let part = joins(kept.chars().next_back()) || joins(after.chars().next());
        kept.push_str(if part { name } else { "<key>" });
        rest = after;
    }
    kept + rest
}

/// What servers of several versions say when the user of a script lacks a right.
const LACKS_RIGHT: [&str; 4] = [
    "NOPERM",
    "can't access at least one of the keys",
    "can't run this command",
    "ACL failure in script",
];

/// Servers do not say which key is out of reach, and before Redis 7.2 not which command a script may not call.
fn with_rights(fault: Fault, request: &Request) -> Fault {
    let needs = if fault.text.contains("can't run this command") {
        let commands = match request.command {
            Command::Acquire { .. } | Command::CoolDown { .. } => "get, mget, pttl and set",
            Command::Extend { .. } => "get, mget, pexpire, pttl and set",
            Command::Release { .. } => "del, mget and set",
            Command::JoinWaitlist { .. } => "zadd and pexpire",
            Command::LeaveWaitlist { .. } => "publish, zrange and zrem",
            Command::ForceRelease { .. } => "del, exists, mget and set",
            Command::Inspect => "mget and pttl",
            Command::Ping | Command::Trust => "del, get, pttl and set",
        };
        format!("its user needs {commands}")
    } else if fault.text.contains("key") {
        let key = &request.key;
        let names = format!(": `{}` and `{}`", key.lock(), key.fence());
        return Fault {
            text: format!("{}: the user needs the key and its fence", fault.text).into(),
            names: Some(names.into()),
            ..fault
        };
    } else {
        return fault;
    };
    Fault {
        text: format!("{}: {needs}", fault.text).into(),
        ..fault
    }
}

/// What an error of the client library means for the call it belongs to.
pub(super) fn fault(error: &RedisError) -> Fault {
    let text = match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    };
    let kind = match error.kind() {
        ErrorKind::AuthenticationFailed => FaultKind::Authentication,
        ErrorKind::Server(ServerErrorKind::NoPerm) => FaultKind::Permission,
        ErrorKind::Server(ServerErrorKind::NoScript) => FaultKind::NoScript,
        ErrorKind::Server(ServerErrorKind::ReadOnly) => FaultKind::ReadOnly,
        ErrorKind::Server(ServerErrorKind::BusyLoading) => FaultKind::Loading,
        ErrorKind::Io => {
            return Fault::unknown(
                if error.is_timeout() {
                    FaultKind::TimedOut
                } else {
                    FaultKind::Unreachable
                },
                text,
            );
        }
        _ => match error.code().unwrap_or_default() {
            "NOAUTH" | "WRONGPASS" | "DENIED" => FaultKind::Authentication,
            "MISCONF" | "NOREPLICAS" => FaultKind::Misconfigured,
            "OOM" => FaultKind::OutOfMemory,
            "WRONGTYPE" => FaultKind::WrongType,
            "NOPROTO" => FaultKind::Unsupported,
            _ if text.starts_with("ERR max number of clients") => FaultKind::TooManyClients,
            _ if text.starts_with("ERR unknown command") => FaultKind::Unsupported,
            _ => return Fault::unknown(wrapped(&text), text),
        },
    };
    // Inside a script a right may be missing after the first write.
    if kind == FaultKind::Permission || kind == FaultKind::OutOfMemory {
        Fault::unknown(kind, text)
    } else {
        Fault::untouched(kind, text)
    }
}

/// The class of an error that a script wraps: of a command that it called, after others that may have written.
fn wrapped(text: &str) -> FaultKind {
    let said = |code: &str| {
        let mut words = text.split_whitespace();
        words.any(|word| word.trim_start_matches('-') == code)
    };
    match () {
        () if said("READONLY") => FaultKind::ReadOnly,
        () if said("OOM") => FaultKind::OutOfMemory,
        () if said("MISCONF") || said("NOREPLICAS") => FaultKind::Misconfigured,
        () if LACKS_RIGHT.iter().any(|said| text.contains(said)) => FaultKind::Permission,
        () if text.contains("Unknown Redis command") => FaultKind::Unsupported,
        () => FaultKind::Other,
    }
}

/// A key in its last millisecond has a PTTL of 0, and one that just went -2.
fn millis(left: i64) -> Duration {
    Duration::from_millis(u64::try_from(left).unwrap_or(0))
}

/// A fence that a token can lie above.
fn token(value: &Value) -> Option<u64> {
    number(value).filter(|fence| *fence < FencingToken::LIMIT)
}

fn number(value: &Value) -> Option<u64> {
    text(value).parse().ok()
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Okay => "OK".to_owned(),
        _ => String::new(),
    }
}

/// `TIME`, in microseconds.
pub(super) fn time(value: &Value) -> u64 {
    match value {
        Value::Array(parts) => match parts.as_slice() {
            [seconds, micros] => number(seconds)
                .unwrap_or(0)
                .saturating_mul(1_000_000)
                .saturating_add(number(micros).unwrap_or(0)),
            _ => 0,
        },
        _ => 0,
    }
}

/// A message that a lock is free: the lock, and the owner who released it.
pub(super) fn free(message: &[Value]) -> Option<(String, String)> {
    let [_, Value::BulkString(payload)] = message else {
        return None;
    };
    let (by, key) = payload.split_at_checked(Owner::LEN)?;
    let string = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    Some((string(key)?, string(by)?))
}

/// What a server answered to an announcement.
pub(super) fn introduction(said: &Value) -> Result<Introduction, Fault> {
    let parts = match said {
        Value::ServerError(error) => return Err(fault(&RedisError::from(error.clone()))),
        Value::Array(parts) => parts.as_slice(),
        _ => &[],
    };
    let [word, id, life, emptied, refused] = parts else {
        return Err(unexpected(said));
    };
    if text(word) != "NODE" {
        return Err(unexpected(said));
    }
    Ok(Introduction {
        id: text(id),
        life: text(life),
        emptied: match emptied {
            Value::Int(ms) => u64::try_from(*ms).ok().map(Duration::from_millis),
            _ => None,
        },
        refused: other_list(&text(refused)),
    })
}

/// The list that ours was refused for: for how many ms it stands, its ids and its names.
fn other_list(said: &str) -> Option<Other> {
    let (left, list) = said.split_once(' ')?;
    let (ids, names) = list.split_once(' ')?;
    Some(Other {
        ids: ids.split(',').map(str::to_owned).collect(),
        names: names.to_owned(),
        left: Duration::from_millis(left.parse().unwrap_or(0)),
    })
}

/// Whether an invalidation concerns all keys: the server's data were emptied.
pub(super) fn is_emptied(message: &[Value]) -> bool {
    matches!(message, [Value::Nil])
}

/// A field of a reply of names and values.
#[cfg(feature = "sentinel")]
pub(super) fn field(value: &Value, name: &str) -> Option<String> {
    match value {
        Value::Map(pairs) => {
            let pair = pairs.iter().find(|(field, _)| text(field) == name);
            pair.map(|(_, value)| text(value))
        }
        Value::Array(parts) => {
            let pair = parts.chunks_exact(2).find(|pair| text(&pair[0]) == name);
            pair.map(|pair| text(&pair[1]))
        }
        _ => None,
    }
}

/// The value of a `CONFIG GET` with one name.
pub(super) fn setting(value: &Value) -> Option<String> {
    match value {
        Value::Map(pairs) => pairs.first().map(|(_, value)| text(value)),
        Value::Array(parts) => parts.get(1).map(text),
        _ => None,
    }
}
