//! The node in memory, and connections to it, on a clock that only the test moves.

use std::{collections::BTreeMap, time::Duration};

use futures_util::FutureExt as _;
use redlock::{
    __wire::{self, Content, Form},
    memory::{Node, Nodes},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    runtime::Runtime,
};

use crate::{
    resp::{self, Value, request},
    server::Keyspace,
    step::{CONNECTIONS, PLAIN, Step, Switch},
};

pub(crate) struct Memory {
    /// A node whose time does not pass by itself.
    runtime: Runtime,
    node: Node,
    admin: Connection,
    connections: Vec<Connection>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

struct Connection {
    stream: Box<dyn Stream>,
    unread: Vec<u8>,
    pushes: Vec<Value>,
}

impl Memory {
    pub(crate) fn new(seed: u64) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let (node, admin, connections) = {
            let _inside = runtime.enter();
            let node = Nodes::seeded(1, seed).node(0);
            let connections = (0..CONNECTIONS).map(|place| Connection::of_a_client(&node, place));
            (node.clone(), Connection::open(&node), connections.collect())
        };
        Self {
            runtime,
            node,
            admin,
            connections,
        }
    }

    /// Sets its wall clock, in microseconds. Returns false if that is in the past: it never goes back.
    pub(crate) fn set_clock(&mut self, at: u64) -> bool {
        let _inside = self.runtime.enter();
        let now = self.admin.call(&["TIME"]);
        let part = |place: usize| -> u64 {
            let text = std::str::from_utf8(now.parts()[place].bytes());
            text.ok()
                .and_then(|text| text.parse().ok())
                .expect("a time")
        };
        let ahead = at.checked_sub(part(0) * 1_000_000 + part(1));
        if let Some(ahead) = ahead {
            self.node.shift_clock(Duration::from_micros(ahead));
        }
        ahead.is_some()
    }

    /// Whether it knows all scripts that `step` calls by their hashes.
    pub(crate) fn knows(&mut self, step: &Step) -> bool {
        let _inside = self.runtime.enter();
        let Some((_, mut rest, _)) = step.bytes(Form::Hash) else {
            return true;
        };
        while let Some((request, length)) = resp::parse(&rest) {
            if let [word, hash, ..] = request.parts()
                && word.bytes() == b"EVALSHA"
            {
                let hash = String::from_utf8_lossy(hash.bytes()).into_owned();
                let known = self.admin.call(&["SCRIPT", "EXISTS", &hash]);
                if known.parts()[0].int() != Some(1) {
                    return false;
                }
            }
            rest.drain(..length);
        }
        true
    }

    /// Runs a step, and returns the replies.
    pub(crate) fn take(&mut self, step: &Step) -> Vec<Value> {
        let _inside = self.runtime.enter();
        // A node in memory is not a server of a cluster, so it never gets that form.
        let form = match step.form() {
            Form::Hash => Form::Hash,
            Form::Source | Form::Importing => Form::Source,
        };
        if let Some((connection, bytes, _)) = step.bytes(form) {
            return self.connections[connection].exchange(&bytes);
        }
        match step {
            Step::SetOther { key, .. } => self.node.set_hash(key),
            Step::Reconnect(connection) => {
                self.connections[*connection] = Connection::of_a_client(&self.node, *connection);
            }
            Step::Switch(switch, on) => self.switch(*switch, *on),
            _ => {}
        }
        Vec::new()
    }

    fn switch(&self, switch: Switch, on: bool) {
        match switch {
            Switch::Full => self.node.fill(on),
            Switch::CannotSave => self.node.fail_to_save(on),
            Switch::Replica if on => self.node.replicate(&self.node),
            Switch::Replica => self.node.promote(),
        }
    }

    /// The messages over each connection since the last call.
    pub(crate) fn pushes(&mut self) -> Vec<Vec<Value>> {
        let _inside = self.runtime.enter();
        let connections = self.connections.iter_mut();
        connections
            .map(|connection| {
                assert_eq!(connection.exchange(&[]), [], "a reply to nothing");
                std::mem::take(&mut connection.pushes)
            })
            .collect()
    }

    /// All of its data.
    pub(crate) fn keyspace(&self) -> Keyspace {
        let _inside = self.runtime.enter();
        let entries = __wire::keyspace(&self.node).into_iter();
        let entries = entries.map(|(key, content, left)| {
            let (kind, value) = match content {
                Content::Text(text) => ("string", Value::Bulk(text)),
                Content::Sorted(members) => {
                    let members = members.into_iter().flat_map(|(score, member)| {
                        [Value::Bulk(member), Value::Bulk(score.to_string().into())]
                    });
                    ("zset", Value::Array(members.collect()))
                }
                Content::Other => ("other", Value::Bulk(Vec::new())),
            };
            (key, (kind, value, left))
        });
        entries.collect::<BTreeMap<_, _>>()
    }
}

impl Connection {
    fn open(node: &Node) -> Self {
        let connected = __wire::connect(node).now_or_never();
        Self {
            stream: Box::new(connected.expect("no delay").expect("not refused")),
            unread: Vec::new(),
            pushes: Vec::new(),
        }
    }

    /// The connection at `place`, after its handshake.
    fn of_a_client(node: &Node, place: usize) -> Self {
        let mut connection = Self::open(node);
        if place != PLAIN {
            connection.call(&["HELLO", "3"]);
            connection.call(&["CLIENT", "TRACKING", "ON", "OPTIN"]);
        }
        connection
    }

    fn call(&mut self, words: &[&str]) -> Value {
        let mut replies = self.exchange(&request(words));
        assert_eq!(replies.len(), 1, "{words:?}");
        replies.remove(0)
    }

    /// Writes `bytes`, and returns the replies, which arrive at once. Messages are kept.
    fn exchange(&mut self, bytes: &[u8]) -> Vec<Value> {
        let written = self.stream.write_all(bytes).now_or_never();
        written.expect("room").expect("open");
        let mut buffer = [0; 16 << 10];
        while let Some(read) = self.stream.read(&mut buffer).now_or_never() {
            let length = read.expect("open");
            assert!(length > 0, "the node closed the connection");
            self.unread.extend(&buffer[..length]);
        }
        let mut replies = Vec::new();
        while let Some((value, length)) = resp::parse(&self.unread) {
            self.unread.drain(..length);
            match value {
                Value::Push(_) => self.pushes.push(value),
                reply => replies.push(reply),
            }
        }
        replies
    }
}
