//! For the conformance test: every request as the client writes it, and a node in memory as bytes and as a keyspace.
//!
//! Not part of the interface.

mod request;

use std::{io, sync::Arc, time::Duration};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    FaultKind,
    command::{self, Announcement, Owner, Script, Session, Step},
    key::{Key, reserved},
    label::Label,
    memory, resp,
};

pub use self::request::{Request, Side};
pub use crate::memory::Content;

/// An inbox, and since when it waits, in microseconds.
#[derive(Clone, Debug)]
pub struct Inbox {
    pub name: String,
    pub since: u64,
}

/// The announcement of a list of nodes. It is sent with its source, whatever the form.
#[derive(Clone, Debug)]
pub struct Announce {
    pub fresh: String,
    pub known: String,
    pub renames: bool,
    pub size: usize,
    pub others: Vec<String>,
    pub counts_this: bool,
    pub names: String,
    pub lifetime: Duration,
}

/// How a script is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Hash,
    Source,
    /// As to a cluster server that the slot is being moved to.
    Importing,
}

/// What all requests of a client have in common.
#[derive(Clone, Debug)]
pub struct Settings {
    pub retention: Duration,
    /// The prefix of the channels of inboxes.
    pub channel: String,
    /// The marker of the strict restart guard and the guard time, if it is on.
    pub marker: Option<(String, Duration)>,
}

/// `request` about the lock `key`, as the client writes it.
///
/// # Panics
/// If `key` cannot be one.
pub fn encode(key: &str, request: &Request, form: Form, settings: &Settings) -> Vec<u8> {
    let mut out = Vec::new();
    if let Request::Announce(announce) = request {
        announce.command().encode(reserved::NODES, &mut out);
        return out;
    }
    let step = Step {
        form: match form {
            Form::Hash => command::Form::Hash,
            Form::Source => command::Form::Source,
            Form::Importing => command::Form::Importing,
        },
        asks_holder: matches!(request, Request::Holder),
    };
    let request = request.about(key);
    command::encode(&request, step, &settings.session(), &mut out);
    out
}

/// `requests` about different locks in one call, as the client writes it: those that begin a hold come first.
///
/// # Panics
/// If a key cannot be one, or if a request is always sent alone.
pub fn encode_batch(requests: &[(&str, Request)], form: Form, settings: &Settings) -> Vec<u8> {
    let requests = requests.iter().map(|(key, request)| request.about(key));
    let requests: Vec<command::Request> = requests.collect();
    let mut commands = requests.iter().map(|request| &request.command);
    assert!(
        commands.all(command::Command::is_batchable),
        "always sent alone: {requests:?}"
    );
    let with_source = form == Form::Source;
    let mut out = Vec::new();
    command::encode_batch(requests.iter(), with_source, &settings.session(), &mut out);
    out
}

impl Settings {
    fn session(&self) -> Session {
        Session {
            retention: self.retention,
            channel: self.channel.clone(),
            marker: self.marker.as_ref().map(|(value, guard_time)| {
                let value = value.clone();
                command::Marker {
                    key: reserved::MARKER.into(),
                    quarantine_key: reserved::QUARANTINE.into(),
                    value,
                    guard_time: *guard_time,
                }
            }),
        }
    }
}

impl Request {
    fn about(&self, key: &str) -> command::Request {
        let key = Key::new("", key).expect("a key");
        let key = match self {
            Self::CoolDown {
                of_writer: true, ..
            } => key.writer(),
            Self::Probe { .. } => Key::probe("", 0).expect("a key"),
            _ => key,
        };
        command::Request {
            key: Arc::new(key),
            command: self.command(),
        }
    }
}

impl Inbox {
    fn command(self) -> command::Inbox {
        command::Inbox {
            name: self.name.into(),
            since: self.since,
        }
    }
}

impl Announce {
    fn command(&self) -> Announcement {
        Announcement {
            fresh: self.fresh.clone(),
            known: self.known.clone(),
            renames: self.renames,
            size: self.size,
            others: self.others.clone(),
            counts_this: self.counts_this,
            names: self.names.clone(),
            lifetime: self.lifetime,
        }
    }
}

/// Odd ones have a label.
fn numbered(number: u8) -> Owner {
    let label = match number % 2 {
        0 => None,
        _ => Label::read(b"api-7"),
    };
    Owner::of([number; Owner::LEN / 2], label)
}

/// The value under the key of a lock that owner `number` holds.
pub fn owner(number: u8) -> String {
    numbered(number).as_str().to_owned()
}

/// The value that the cool-down of owner `number` leaves.
pub fn cool_down(number: u8) -> String {
    numbered(number).cool_down().as_str().to_owned()
}

/// The first value that is no token.
pub const TOKEN_LIMIT: u64 = command::TOKEN_LIMIT;

/// The lock `key`, its fence and its waiters.
///
/// # Panics
/// If `key` cannot be one.
pub fn keys(key: &str) -> [String; 3] {
    let key = Key::new("", key).expect("a key");
    [key.lock().to_owned(), key.fence().to_owned(), key.waiters()]
}

/// The register of the lock `key`.
///
/// # Panics
/// If `key` cannot be one.
pub fn register(key: &str) -> String {
    Key::new("", key).expect("a key").register()
}

/// The newest request for the lock `key`.
///
/// # Panics
/// If `key` cannot be one.
pub fn newest(key: &str) -> String {
    Key::new("", key).expect("a key").newest()
}

/// The keys of the read/write lock `key`: the writer and the bar of the writers, the readers and their bar, the intent.
///
/// # Panics
/// If `key` cannot be one.
pub fn keys_of_readers_and_writers(key: &str) -> [String; 5] {
    let key = Key::new("", key).expect("a key");
    let (writer, readers) = (key.writer(), key.readers());
    let [writer, bar] = [writer.lock(), writer.fence()].map(str::to_owned);
    let [readers, bar_of_readers] = [readers.lock(), readers.fence()].map(str::to_owned);
    [writer, bar, readers, bar_of_readers, key.intent()]
}

/// The first permit of the semaphore `key`, its fence, and the number of its permits.
///
/// # Panics
/// If `key` cannot be one.
pub fn keys_of_permits(key: &str) -> [String; 3] {
    let key = Key::new("", key).expect("a key");
    let (first, all) = (key.permit(0), key.permits());
    [first.lock(), first.fence(), all.lock()].map(str::to_owned)
}

/// The keys of the nodes themselves: the marker, the quarantine and the record of node lists.
pub fn keys_of_the_node() -> [&'static str; 3] {
    [reserved::MARKER, reserved::QUARANTINE, reserved::NODES]
}

/// All scripts: their names and their hashes.
pub fn scripts() -> impl Iterator<Item = (String, &'static str)> {
    let all = Script::ALL.iter();
    all.map(|script| (format!("{script:?}"), script.hash()))
}

/// What the client takes a server's error for: its line, without the first byte and the line end.
pub fn fault(error: &[u8]) -> FaultKind {
    match resp::parse(&[b"-", error, b"\r\n"].concat()) {
        Ok(resp::Value::ServerError(error)) => resp::server_fault(&error).kind,
        _ => FaultKind::Other,
    }
}

/// A connection to a node in memory.
///
/// # Errors
/// If the node refuses it.
pub async fn connect(
    node: &memory::Node,
) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + use<>> {
    node.connect().await
}

/// All that a node in memory holds: the keys, what is under them, and what `PTTL` says.
pub fn keyspace(node: &memory::Node) -> Vec<(Vec<u8>, Content, i64)> {
    node.keyspace()
}
