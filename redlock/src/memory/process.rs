//! One run of a node's process, and what `INFO` says about it.

use std::fmt::Write as _;

use crate::env::{
    clock::{Clock, Instant},
    random::Random,
};

/// No replication history.
const NONE: &str = "0000000000000000000000000000000000000000";

/// A process from its start to its end.
#[derive(Clone, Debug)]
pub(super) struct Process {
    run_id: String,
    /// No process ran before it on the node.
    is_first: bool,
    started: Instant,
    /// The replication history that its data belong to.
    replication_id: String,
    /// The history that it continued when it was promoted, and the offset at which it did.
    second: Option<(String, u64)>,
    /// Its replication offset. Increases with each promotion, so that no two processes look alike.
    offset: u64,
    /// The name of its master, while it is a replica.
    master: Option<String>,
}

/// 40 hexadecimal digits, as servers generate them.
fn fresh_id(random: &Random) -> String {
    format!("{:032x}{:08x}", random.draw::<u128>(), random.draw::<u32>())
}

impl Process {
    /// The process that a node begins with.
    pub(super) fn first(random: &Random) -> Self {
        Self {
            is_first: true,
            ..Self::start(random)
        }
    }

    pub(super) fn start(random: &Random) -> Self {
        Self {
            run_id: fresh_id(random),
            is_first: false,
            started: Clock::Tokio.now(),
            replication_id: fresh_id(random),
            second: None,
            offset: 0,
            master: None,
        }
    }

    pub(super) fn is_replica(&self) -> bool {
        self.master.is_some()
    }

    /// The process takes over the history of `master`, whose name is `name`.
    pub(super) fn follow(&mut self, master: &Self, name: &str) {
        self.master = Some(name.to_owned());
        self.replication_id.clone_from(&master.replication_id);
        self.offset = self.offset.max(master.offset) + 1;
    }

    /// A replica becomes a master.
    pub(super) fn promote(&mut self, random: &Random) {
        if self.master.take().is_some() {
            let before = std::mem::replace(&mut self.replication_id, fresh_id(random));
            self.second = Some((before, self.offset + 1));
        }
    }

    /// `INFO server`.
    pub(super) fn server(&self) -> String {
        let uptime = Clock::Tokio.now().saturating_since(self.started).as_secs();
        let is_first = if self.is_first { "yes" } else { "no" };
        format!(
            "# Server\r\nredis_version:memory\r\nredis_mode:standalone\r\nrun_id:{}\r\nuptime_in_seconds:{uptime}\r\n\
             first_process:{is_first}\r\n",
            self.run_id
        )
    }

    /// `INFO replication`.
    pub(super) fn replication(&self) -> String {
        let mut text = "# Replication\r\n".to_owned();
        // Writing to a string does not fail.
        let _ = match &self.master {
            Some(master) => write!(
                text,
                "role:slave\r\nmaster_host:{master}\r\nmaster_port:0\r\nmaster_link_status:up\r\n"
            ),
            None => write!(text, "role:master\r\nconnected_slaves:0\r\n"),
        };
        let (second, end) = match &self.second {
            Some((id, end)) => (id.as_str(), end.to_string()),
            None => (NONE, "-1".to_owned()),
        };
        let _ = write!(
            text,
            "master_replid:{}\r\nmaster_replid2:{second}\r\nmaster_repl_offset:{}\r\nsecond_repl_offset:{end}\r\n",
            self.replication_id, self.offset
        );
        text
    }
}
