//! I13: a read of a register returns what the last confirmed write or an earlier read returned, or
//! something newer, until that expires.

use std::collections::{BTreeSet, HashMap};

use super::super::{Check, Run, seconds};
use crate::config::{CLOCK_SKEW, RETENTION};
use crate::history::{History, RegisterRead, RegisterWrite, Version};
use crate::timestamp::{Timestamp, ns};

/// A version that has been confirmed to be there.
#[derive(Clone, Copy)]
struct Known {
    version: Version,
    /// When its write was called.
    written: Timestamp,
    /// When that was confirmed, or a read of it returned.
    since: Timestamp,
}

impl Known {
    /// Until when it is surely kept.
    fn kept_until(&self) -> Timestamp {
        self.written + ns(RETENTION) - ns(CLOCK_SKEW)
    }
}

pub(super) fn check(run: &Run) -> Check {
    let mut check = Check::of("I13 a register keeps what was written");
    let history = &run.history;
    let keys: BTreeSet<&str> = history.reads.iter().map(|read| &*read.key).collect();
    for key in keys {
        of_key(run, key, &mut check);
    }
    let confirmed = history.writes.iter();
    let confirmed = confirmed.filter(|write| write.confirmed.is_some());
    check.figures = format!(
        "{} writes, {} of them confirmed; {} reads, {} without an answer",
        history.writes.len(),
        confirmed.count(),
        history.reads.len(),
        history.unanswered_reads,
    );
    check
}

fn of_key(run: &Run, key: &str, check: &mut Check) {
    let writes = run.history.writes.iter().filter(|write| write.key == key);
    let writes: HashMap<Version, &RegisterWrite> =
        writes.map(|write| (write.version, write)).collect();
    let mut reads: Vec<&RegisterRead> = reads_of(&run.history, key).collect();
    reads.sort_by_key(|read| read.called);
    let mut known = known(&reads, &writes);
    known.sort_by_key(|known| known.since);
    let (mut rest, mut current) = (known.iter().peekable(), Vec::<Known>::new());
    for read in reads {
        while let Some(known) = rest.next_if(|known| known.since < read.called) {
            current.push(*known);
        }
        current.retain(|known| known.kept_until() > read.called);
        let kept = current
            .iter()
            .filter(|known| known.kept_until() > read.returned);
        if let Some(missed) = kept.max_by_key(|known| known.version)
            && read.found.is_none_or(|found| found < missed.version)
        {
            violation(
                run,
                check,
                read,
                missed.written,
                "although this was there:",
                missed.version,
            );
        }
        if let Some(found) = read.found {
            origin(run, read, found, writes.get(&found).copied(), check);
        }
    }
}

fn reads_of<'a>(history: &'a History, key: &'a str) -> impl Iterator<Item = &'a RegisterRead> {
    history.reads.iter().filter(move |read| read.key == key)
}

/// What confirmed writes and reads prove to be there.
fn known(reads: &[&RegisterRead], writes: &HashMap<Version, &RegisterWrite>) -> Vec<Known> {
    let written = writes.values().filter_map(|write| {
        Some(Known {
            version: write.version,
            written: write.called,
            since: write.confirmed?,
        })
    });
    let seen = reads.iter().filter_map(|read| {
        let version = read.found?;
        Some(Known {
            version,
            written: writes.get(&version)?.called,
            since: read.returned,
        })
    });
    written.chain(seen).collect()
}

/// What was read was written, is not over, and is of no later holder.
fn origin(
    run: &Run,
    read: &RegisterRead,
    found: Version,
    write: Option<&RegisterWrite>,
    check: &mut Check,
) {
    let Some(write) = write.filter(|write| write.called < read.returned) else {
        let text = "which nobody had written:";
        return violation(run, check, read, read.called, text, found);
    };
    let over = |confirmed| confirmed + ns(RETENTION) + ns(CLOCK_SKEW) < read.called;
    if write.confirmed.is_some_and(over) {
        violation(run, check, read, write.called, "which was over:", found);
    }
    if read.holder.is_some_and(|holder| holder < found.token) {
        let text = "as the holder before that of";
        violation(run, check, read, write.called, text, found);
    }
}

/// `since`: when the value was written that the read should have returned.
fn violation(
    run: &Run,
    check: &mut Check,
    read: &RegisterRead,
    since: Timestamp,
    text: &str,
    version: Version,
) {
    if run.flushed(since, read.returned) {
        check.excused += 1;
        return;
    }
    let found = read.found.map(|found| found.to_string());
    let holder = read.holder.map(|token| format!(" with token {token}"));
    check.violation(format!(
        "{}: {}{} read {} from {} to {}, {text} {version}",
        read.key,
        read.client,
        holder.unwrap_or_default(),
        found.as_deref().unwrap_or("nothing"),
        seconds(run, read.called),
        seconds(run, read.returned),
    ));
}
