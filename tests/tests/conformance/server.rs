//! The real server, and connections to it.
//!
//! Each step is written between two `TIME`s, so that the millisecond of the server's clock in which it ran is known.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    thread::sleep,
    time::{Duration, SystemTime},
};

use tests::Cluster;

use crate::{
    resp::{self, Value, request},
    step::{CONNECTIONS, Other, PLAIN, Step, Switch},
};

/// Time for a server to reply.
const PATIENCE: Duration = Duration::from_secs(60);
/// A step begins in the first part of a millisecond, in microseconds, so that it usually ends in the same one.
const EARLY: u64 = 250;
/// How often the keyspace is read until one read fits into a millisecond.
const LOOKS: usize = 50;

/// All keys with their values, and the reply of `PTTL` for each.
const LOOK: &str = "local found = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key).ok
  local value = ''
  if kind == 'string' then value = redis.call('GET', key)
  elseif kind == 'zset' then value = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end
  found[#found + 1] = {key, kind, redis.call('PTTL', key), value}
end
return found";

/// What a step did.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) replies: Vec<Value>,
    /// The server's clock before and after that step in whole milliseconds, in microseconds. Usually equal.
    pub(crate) between: (u64, u64),
}

/// The types and contents of all keys, and their remaining ttls.
pub(crate) type Keyspace = BTreeMap<Vec<u8>, (&'static str, Value, i64)>;

pub(crate) struct Server {
    cluster: Cluster,
    pub(crate) version: String,
    admin: Connection,
    connections: Vec<Connection>,
}

impl Server {
    /// Starts the server `binary`, or the one that tests use by default.
    pub(crate) async fn start(binary: Option<PathBuf>) -> Self {
        let builder = Cluster::builder(1);
        let builder = match binary {
            Some(binary) => builder.server(binary),
            None => builder,
        };
        // Newer versions allow that only if it was requested at the start.
        let debug = builder.clone().arg(["--enable-debug-command", "yes"]);
        let builder = match debug.lacks().await {
            None => debug,
            Some(_) => builder,
        };
        let cluster = builder.start().await;
        let mut admin = Connection::open(cluster.node(0).address());
        let info = admin.call(&["INFO", "server"]);
        let info = String::from_utf8_lossy(info.bytes()).into_owned();
        let field = |name: &str| {
            let mut lines = info.lines();
            lines.find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'))
        };
        let version = match field("valkey_version") {
            Some(version) => format!("Valkey {version}"),
            None => format!("Redis {}", field("redis_version").unwrap_or("?")),
        };
        let mut server = Self {
            cluster,
            version,
            admin,
            connections: Vec::new(),
        };
        server.fail_to_save();
        // Keys expire when they are read. By itself, Redis 8 may remove one in its last millisecond.
        let off = server.admin.call(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
        assert_eq!(off, Value::Status("OK".into()), "{}", server.version);
        server
    }

    /// Whether a step can be compared. To a script on a replica, Redis 6 shows keys that have expired.
    pub(crate) fn compares(&self, step: &Step) -> bool {
        !(self.version.starts_with("Redis 6") && matches!(step, Step::Switch(Switch::Replica, _)))
    }

    /// Makes a snapshot fail, for [`Switch::CannotSave`].
    fn fail_to_save(&mut self) {
        self.set("stop-writes-on-bgsave-error", "no");
        let dir = self.admin.call(&["CONFIG", "GET", "dir"]);
        let dir = String::from_utf8_lossy(dir.parts()[1].bytes()).into_owned();
        std::fs::remove_dir_all(dir).expect("the node's own folder");
        self.set("save", "36000 1000000");
        self.admin.call(&["BGSAVE"]);
        let until = std::time::Instant::now() + PATIENCE;
        loop {
            let info = self.admin.call(&["INFO", "persistence"]);
            if String::from_utf8_lossy(info.bytes()).contains("rdb_last_bgsave_status:err") {
                return;
            }
            assert!(
                until > std::time::Instant::now(),
                "{}: it saves",
                self.version
            );
            sleep(Duration::from_millis(5));
        }
    }

    fn set(&mut self, name: &str, value: &str) {
        let reply = self.admin.call(&["CONFIG", "SET", name, value]);
        assert_eq!(
            reply,
            Value::Status("OK".into()),
            "{name} of {}",
            self.version
        );
    }

    /// Forgets everything, and makes new connections.
    pub(crate) fn reset(&mut self) {
        for switch in [Switch::Replica, Switch::Full, Switch::CannotSave] {
            self.switch(switch, false);
        }
        for connection in std::mem::take(&mut self.connections) {
            connection.close();
        }
        self.admin.call(&["FLUSHALL"]);
        self.admin.call(&["SCRIPT", "FLUSH"]);
        let address = self.cluster.node(0).address();
        self.connections = (0..CONNECTIONS)
            .map(|place| Connection::of_a_client(address, place))
            .collect();
    }

    pub(crate) fn switch(&mut self, switch: Switch, on: bool) {
        match switch {
            Switch::Full => self.set("maxmemory", if on { "1" } else { "0" }),
            Switch::CannotSave => {
                let stops = if on { "yes" } else { "no" };
                self.set("stop-writes-on-bgsave-error", stops);
            }
            Switch::Replica => {
                // A replica of a master that does not exist.
                let master = if on {
                    ["127.0.0.1", "1"]
                } else {
                    ["NO", "ONE"]
                };
                self.admin.call(&["REPLICAOF", master[0], master[1]]);
            }
        }
    }

    /// Runs a step.
    pub(crate) fn take(&mut self, step: &Step) -> Done {
        wait_for_a_millisecond();
        if let Some((connection, bytes, replies)) = step.bytes(step.form()) {
            return self.connections[connection].timed(&bytes, replies);
        }
        match step {
            Step::SetOther { key, other } => {
                let mut bytes = request(&["DEL", key]);
                bytes.extend(match other {
                    Other::Hash => request(&["HSET", key, "field", "value"]),
                    Other::List => request(&["RPUSH", key, "value"]),
                    Other::Set => request(&["SADD", key, "value"]),
                });
                let mut done = self.admin.timed(&bytes, 2);
                done.replies.clear();
                return done;
            }
            Step::Reconnect(connection) => {
                let address = self.cluster.node(0).address();
                let new = Connection::of_a_client(address, *connection);
                std::mem::replace(&mut self.connections[*connection], new).close();
            }
            Step::Switch(switch, on) => self.switch(*switch, *on),
            Step::Wait(ms) => sleep(Duration::from_millis(*ms)),
            _ => {}
        }
        self.admin.timed(&[], 0)
    }

    /// The messages over each connection since the last call.
    pub(crate) fn pushes(&mut self) -> Vec<Vec<Value>> {
        let connections = self.connections.iter_mut();
        connections
            .map(|connection| {
                connection.call(&["TIME"]);
                std::mem::take(&mut connection.pushes)
            })
            .collect()
    }

    /// All of its data, and its clock at that time. `None` if no read fits into a millisecond.
    pub(crate) fn keyspace(&mut self) -> Option<(Keyspace, u64)> {
        for _ in 0..LOOKS {
            let mut look = self.admin.timed(&request(&["EVAL", LOOK, "0"]), 1);
            let found = look.replies.remove(0);
            assert!(!matches!(found, Value::Error(_)), "{found:?}");
            let (at, after) = look.between;
            if at == after {
                let entries = found.parts().iter().map(|entry| match entry.parts() {
                    [key, kind, left, value] => {
                        let kind = match kind.bytes() {
                            b"string" => "string",
                            b"zset" => "zset",
                            _ => "other",
                        };
                        let left = left.int().expect("a ttl");
                        (key.bytes().to_vec(), (kind, value.clone(), left))
                    }
                    _ => panic!("{entry:?}"),
                });
                return Some((entries.collect(), at));
            }
            wait_for_a_millisecond();
        }
        None
    }
}

/// Waits until a millisecond of the wall clock has just begun.
fn wait_for_a_millisecond() {
    loop {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let past = u64::from(now.unwrap_or_default().subsec_micros()) % 1_000;
        if past < EARLY {
            return;
        }
        sleep(Duration::from_micros(1_000 - past));
    }
}

/// A connection to the server.
struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
    pushes: Vec<Value>,
}

impl Connection {
    fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        Self {
            stream,
            unread: Vec::new(),
            pushes: Vec::new(),
        }
    }

    /// The connection at `place`, after its handshake.
    fn of_a_client(address: SocketAddr, place: usize) -> Self {
        let mut connection = Self::open(address);
        if place != PLAIN {
            connection.call(&["HELLO", "3"]);
            connection.call(&["CLIENT", "TRACKING", "ON", "OPTIN"]);
        }
        connection
    }

    /// Closes it, and waits until the server has noticed that.
    fn close(mut self) {
        self.stream.write_all(&request(&["QUIT"])).expect("open");
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).expect("its end");
    }

    fn call(&mut self, words: &[&str]) -> Value {
        self.stream.write_all(&request(words)).expect("open");
        self.reply()
    }

    /// Writes `bytes` between two `TIME`s, and reads that many replies.
    fn timed(&mut self, bytes: &[u8], replies: usize) -> Done {
        let time = request(&["TIME"]);
        let all = [&time, bytes, &time].concat();
        self.stream.write_all(&all).expect("open");
        let millisecond = |time: &Value| {
            let part = |place: usize| -> u64 {
                let text = std::str::from_utf8(time.parts()[place].bytes());
                text.ok()
                    .and_then(|text| text.parse().ok())
                    .expect("a time")
            };
            part(0) * 1_000_000 + part(1) / 1_000 * 1_000
        };
        let before = millisecond(&self.reply());
        let replies = (0..replies).map(|_| self.reply()).collect();
        let after = millisecond(&self.reply());
        Done {
            replies,
            between: (before, after),
        }
    }

    /// The next reply. Messages before it are kept.
    fn reply(&mut self) -> Value {
        loop {
            while let Some((value, length)) = resp::parse(&self.unread) {
                self.unread.drain(..length);
                match value {
                    Value::Push(_) => self.pushes.push(value),
                    reply => return reply,
                }
            }
            let mut buffer = [0; 16 << 10];
            let length = self.stream.read(&mut buffer).expect("a reply");
            assert!(length > 0, "the server closed the connection");
            self.unread.extend(&buffer[..length]);
        }
    }
}
