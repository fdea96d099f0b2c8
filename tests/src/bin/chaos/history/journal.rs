//! The file that a client process writes.
//!
//! Each line is one write, so that a killed process leaves only whole lines. Times are in
//! nanoseconds.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;

use super::{Failure, Grant, NodeState, RegisterRead, Sample, Version};
use crate::timestamp::{Timestamp, ns};

/// The file of one client.
#[derive(Debug)]
pub(crate) struct Journal {
    file: Mutex<File>,
}

impl Journal {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = Mutex::new(OpenOptions::new().create(true).append(true).open(path)?);
        Ok(Self { file })
    }

    pub(crate) fn grant(&self, grant: &Grant) {
        let Grant {
            id,
            kind,
            client,
            key,
            token,
            rounds,
            called,
            began,
            returned,
            valid_until,
            ticket,
            ..
        } = grant;
        self.line(&format!(
            "grant {id} {client} {key} {token} {rounds} {called} {began} {returned} {valid_until} {kind} {}",
            ticket.as_deref().unwrap_or("-")
        ));
    }

    /// The guard reported a later end of validity.
    pub(crate) fn extended(&self, id: &str, valid_until: Timestamp) {
        self.line(&format!("extended {id} {valid_until}"));
    }

    /// The release was called.
    pub(crate) fn releasing(&self, id: &str, at: Timestamp) {
        self.line(&format!("releasing {id} {at}"));
    }

    /// The release returned.
    pub(crate) fn released(&self, id: &str, at: Timestamp, outcome: &str) {
        self.line(&format!("released {id} {at} {outcome}"));
    }

    /// The grant has become a ticket.
    pub(crate) fn detached(&self, id: &str, at: Timestamp) {
        self.line(&format!("detached {id} {at}"));
    }

    /// A write of a register was called.
    pub(crate) fn writing(&self, key: &str, version: Version, at: Timestamp) {
        self.line(&format!("writing {key} {version} {at}"));
    }

    /// A write of a register was confirmed.
    pub(crate) fn written(&self, key: &str, version: Version, at: Timestamp) {
        self.line(&format!("written {key} {version} {at}"));
    }

    /// A read of a register was answered.
    pub(crate) fn saw(&self, read: &RegisterRead) {
        let RegisterRead {
            client,
            key,
            called,
            returned,
            ..
        } = read;
        self.line(&format!(
            "saw {client} {key} {} {called} {returned} {}",
            word(read.holder),
            word(read.found)
        ));
    }

    /// A read of a register failed.
    pub(crate) fn unanswered(&self, key: &str, at: Timestamp) {
        self.line(&format!("unanswered {key} {at}"));
    }

    pub(crate) fn failure(&self, failure: &Failure) {
        let Failure {
            client,
            key,
            called,
            returned,
            wait,
            reason,
        } = failure;
        self.line(&format!(
            "failure {client} {key} {called} {returned} {} {reason}",
            ns(*wait)
        ));
    }

    pub(crate) fn sample(&self, sample: &Sample) {
        let mut line = format!(
            "sample {} {} {}",
            sample.grant, sample.at, sample.valid_until
        );
        for state in &sample.nodes {
            line.push_str(&match state {
                NodeState::HeldUntil(end) => format!(" {end}"),
                NodeState::NotHeld => " free".to_owned(),
                NodeState::NoReply => " silent".to_owned(),
            });
        }
        self.line(&line);
    }

    fn line(&self, line: &str) {
        let mut file = self
            .file
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        // An incomplete history must not count as one without violations.
        if let Err(error) = file.write_all(format!("{line}\n").as_bytes()) {
            panic!("the history cannot be written: {error}");
        }
    }
}

fn word(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}
