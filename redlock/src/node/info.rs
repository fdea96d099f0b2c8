//! What a node reports about itself on a new connection.

use std::time::Duration;

use tokio::time::Instant;

use crate::resp::Value;

/// An optional command. Without it, the client works with a restriction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Optional {
    Info,
    Time,
    Config,
    Tracking,
    Subscribe,
    Publish,
    EvalSha,
}

impl Optional {
    pub(crate) fn command(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Time => "TIME",
            Self::Config => "CONFIG GET",
            Self::Tracking => "CLIENT TRACKING",
            Self::Subscribe => "SUBSCRIBE",
            Self::Publish => "PUBLISH",
            Self::EvalSha => "EVALSHA",
        }
    }

    /// What is lost without it.
    pub(crate) fn loss(self) -> &'static str {
        match self {
            Self::Info => {
                "a restart with old data, a replica and a server listed twice go unnoticed: let the user call it"
            }
            Self::Time => {
                "fencing tokens follow the clock of this machine, no record of the lists of nodes is kept, and \
                 read/write locks fail: let the user call it, or synchronise the clocks of all clients"
            }
            Self::Config => {
                "an eviction of locks goes unnoticed: set maxmemory-policy to noeviction"
            }
            Self::Tracking => "emptied data are noticed up to 5 s late: let the user call it",
            Self::Subscribe => {
                "waiters poll instead of being notified: let the user call it, and use the channel"
            }
            Self::Publish => "waiters poll, since nobody can notify them: let the user call it",
            Self::EvalSha => {
                "scripts are sent with their source, of some kilobytes for each command: let the user call it"
            }
        }
    }
}

/// The identity and state of a node's process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Info {
    /// Random for every process of the server. Empty if the server does not report it.
    pub(crate) run_id: String,
    /// What the process took over from another when it was last promoted. If it changes, the data
    /// may have been replaced since. Empty if the process never was a replica.
    pub(crate) history: String,
    pub(crate) version: String,
    /// It is a node in memory that has not restarted, so that there is nothing that it may have forgotten.
    pub(crate) is_first_process: bool,
    /// `None` if it is unknown.
    pub(crate) uptime: Option<Duration>,
    /// The address of its master, if it is a replica.
    pub(crate) replica_of: Option<String>,
    /// What it does when memory is full. `None` if this user may not ask.
    pub(crate) eviction: Option<String>,
    /// Its wall clock, in microseconds since the epoch.
    pub(crate) time: u64,
    /// What it did not answer.
    pub(crate) refused: Vec<Optional>,
    /// The middle and the length of the round trip of the reply. `None` if there was none.
    pub(crate) answered: Option<(Instant, Duration)>,
}

impl Info {
    /// Records that the server refused `command`, if this reply says so.
    pub(crate) fn note_refusal(&mut self, command: Optional, reply: &Value) {
        if matches!(reply, Value::ServerError(_)) && !self.refuses(command) {
            self.refused.push(command);
        }
    }

    pub(crate) fn refuses(&self, command: Optional) -> bool {
        self.refused.contains(&command)
    }

    /// Reads the replies of `INFO server` and `INFO replication`.
    pub(crate) fn from_text(server: &str, replication: &str) -> Self {
        let field = |text: &str, name: &str| {
            text.lines()
                .filter_map(|line| line.trim_end().split_once(':'))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.to_owned())
        };
        let replica_of = (field(replication, "role").as_deref() == Some("slave")).then(|| {
            let part = |name| field(replication, name).unwrap_or_else(|| "?".into());
            format!("{}:{}", part("master_host"), part("master_port"))
        });
        let version = |name| field(server, name);
        Self {
            run_id: field(server, "run_id").unwrap_or_default(),
            history: history(|name| field(replication, name)),
            version: version("valkey_version")
                .or_else(|| version("redis_version"))
                .unwrap_or_default(),
            is_first_process: version("first_process").as_deref() == Some("yes"),
            uptime: field(server, "uptime_in_seconds")
                .and_then(|seconds| seconds.parse().ok())
                .map(Duration::from_secs),
            replica_of,
            eviction: None,
            time: 0,
            refused: Vec::new(),
            answered: None,
        }
    }
}

/// The second replication id and where it ended: the identity that the server had before it was
/// promoted.
///
/// The first id is less useful: it also changes when a master has had no replica for
/// `repl-backlog-ttl`, which loses nothing and clears the second id.
fn history(field: impl Fn(&str) -> Option<String>) -> String {
    let id = field("master_replid2").unwrap_or_default();
    if id.bytes().all(|digit| digit == b'0') {
        return String::new();
    }
    let end = field("second_repl_offset").unwrap_or_default();
    format!("{id}:{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_replica() {
        let info = Info::from_text(
            "# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\nuptime_in_seconds:12\r\n",
            "role:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6379\r\n",
        );
        assert_eq!(info.run_id, "abc");
        assert_eq!(info.uptime, Some(Duration::from_secs(12)));
        assert_eq!(info.replica_of.as_deref(), Some("10.0.0.1:6379"));
    }

    #[test]
    fn a_promotion_leaves_a_trace_and_a_freed_backlog_leaves_none() {
        let history = |second: &str, end: &str| {
            let said = format!(
                "role:master\r\nmaster_replid:ab\r\nmaster_replid2:{second}\r\nsecond_repl_offset:{end}\r\n"
            );
            Info::from_text("", &said).history
        };
        assert_eq!(history("00000000", "-1"), "");
        assert_eq!(history("cd", "15"), "cd:15");
        assert_ne!(history("cd", "15"), history("ab", "15"));
        assert_eq!(Info::from_text("", "role:master\r\n").history, "");
    }
}
