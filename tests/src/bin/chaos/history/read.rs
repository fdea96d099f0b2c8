//! Reads a history from the files of the clients.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::{
    Failure, Grant, History, Kind, NodeState, RegisterRead, RegisterWrite, Sample, Version,
};
use crate::args::Problem;

/// Where the records of one file are that later lines complete.
#[derive(Default)]
struct Places {
    grants: HashMap<String, usize>,
    writes: HashMap<(String, Version), usize>,
}

/// The words of a line.
struct Line<'a>(Vec<&'a str>);

impl History {
    /// Reads the files of a folder.
    pub(crate) fn read(folder: &Path) -> Result<Self, Problem> {
        let mut history = Self::default();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "history")
            {
                let text = fs::read_to_string(&path)?;
                history
                    .add(&text)
                    .map_err(|line| format!("{}: cannot read `{line}`", path.display()))?;
            }
        }
        history.grants.sort_by_key(|grant| grant.returned);
        Ok(history)
    }

    /// Adds the lines of one client. A last line without its end is ignored. `Err`: the line that
    /// cannot be read.
    pub(crate) fn add(&mut self, text: &str) -> Result<(), String> {
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut places = Places::default();
        for line in whole.lines() {
            self.line(&Line(line.split(' ').collect()), &mut places)
                .ok_or(line)?;
        }
        Ok(())
    }

    fn line(&mut self, line: &Line<'_>, places: &mut Places) -> Option<()> {
        match line.word(0)? {
            "grant" => {
                let grant = line.grant()?;
                places.grants.insert(grant.id.clone(), self.grants.len());
                self.grants.push(grant);
            }
            "failure" => self.failures.push(line.failure()?),
            "sample" => self.samples.push(line.sample()?),
            "writing" => {
                let write = line.write()?;
                let name = (write.key.clone(), write.version);
                places.writes.insert(name, self.writes.len());
                self.writes.push(write);
            }
            "written" => {
                let RegisterWrite {
                    key,
                    version,
                    called: at,
                    ..
                } = line.write()?;
                let place = *places.writes.get(&(key, version))?;
                self.writes.get_mut(place)?.confirmed = Some(at);
            }
            "saw" => self.reads.push(line.read()?),
            "unanswered" => self.unanswered_reads += 1,
            kind => {
                let place = *places.grants.get(line.word(1)?)?;
                let (grant, at) = (self.grants.get_mut(place)?, line.number(2)?);
                match kind {
                    "extended" => grant.valid_until = grant.valid_until.max(at),
                    "releasing" => grant.releasing = Some(at),
                    "released" => grant.released = Some(at),
                    "detached" => grant.detached = Some(at),
                    _ => return None,
                }
            }
        }
        Some(())
    }
}

impl Line<'_> {
    fn word(&self, place: usize) -> Option<&str> {
        self.0.get(place).copied()
    }

    fn text(&self, place: usize) -> Option<String> {
        self.word(place).map(str::to_owned)
    }

    fn number(&self, place: usize) -> Option<u64> {
        self.word(place)?.parse().ok()
    }

    /// The value at that place, or `None` for `-`. The outer `None`: it cannot be read.
    fn optional<T>(&self, place: usize, read: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
        match self.word(place)? {
            "-" => Some(None),
            word => read(word).map(Some),
        }
    }

    fn grant(&self) -> Option<Grant> {
        Some(Grant {
            id: self.text(1)?,
            client: self.text(2)?,
            key: self.text(3)?,
            token: self.number(4)?,
            rounds: u32::try_from(self.number(5)?).ok()?,
            called: self.number(6)?,
            began: self.number(7)?,
            returned: self.number(8)?,
            valid_until: self.number(9)?,
            kind: Kind::read(self.word(10)?)?,
            ticket: self.optional(11, |word| Some(word.to_owned()))?,
            ..Grant::default()
        })
    }

    fn failure(&self) -> Option<Failure> {
        Some(Failure {
            client: self.text(1)?,
            key: self.text(2)?,
            called: self.number(3)?,
            returned: self.number(4)?,
            wait: Duration::from_nanos(self.number(5)?),
            reason: self.text(6)?,
        })
    }

    fn sample(&self) -> Option<Sample> {
        Some(Sample {
            grant: self.text(1)?,
            at: self.number(2)?,
            valid_until: self.number(3)?,
            nodes: self.0[4..]
                .iter()
                .map(|word| node_state(word))
                .collect::<Option<_>>()?,
        })
    }

    fn write(&self) -> Option<RegisterWrite> {
        Some(RegisterWrite {
            key: self.text(1)?,
            version: self.word(2)?.parse().ok()?,
            called: self.number(3)?,
            confirmed: None,
        })
    }

    fn read(&self) -> Option<RegisterRead> {
        Some(RegisterRead {
            client: self.text(1)?,
            key: self.text(2)?,
            holder: self.optional(3, |word| word.parse().ok())?,
            called: self.number(4)?,
            returned: self.number(5)?,
            found: self.optional(6, |word| word.parse().ok())?,
        })
    }
}

fn node_state(word: &str) -> Option<NodeState> {
    match word {
        "free" => Some(NodeState::NotHeld),
        "silent" => Some(NodeState::NoReply),
        end => end.parse().ok().map(NodeState::HeldUntil),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Journal;

    fn grant() -> Grant {
        Grant {
            id: "w1.1-1".into(),
            client: "w1.1".into(),
            key: "k".into(),
            token: 7,
            rounds: 1,
            called: 1,
            began: 2,
            returned: 3,
            valid_until: 100,
            ..Grant::default()
        }
    }

    #[test]
    fn lines_of_the_journal_can_be_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::create(&folder.path().join("w1.1.history")).expect("a file");
        journal.grant(&grant());
        journal.extended("w1.1-1", 200);
        journal.releasing("w1.1-1", 150);
        journal.released("w1.1-1", 160, "released");
        let nodes = vec![
            NodeState::HeldUntil(210),
            NodeState::NotHeld,
            NodeState::NoReply,
        ];
        journal.sample(&Sample {
            grant: "w1.1-1".into(),
            at: 5,
            valid_until: 100,
            nodes: nodes.clone(),
        });

        let history = History::read(folder.path()).expect("a history");
        assert_eq!((history.grants.len(), history.samples.len()), (1, 1));
        let read = &history.grants[0];
        assert_eq!(
            (read.valid_until, read.held_until(), read.released),
            (200, 150, Some(160))
        );
        assert_eq!(history.samples[0].nodes, nodes);
    }

    #[test]
    fn tickets_and_registers_can_be_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::create(&folder.path().join("w1.1.history")).expect("a file");
        journal.grant(&grant());
        journal.detached("w1.1-1", 50);
        journal.grant(&Grant {
            id: "w1.1-2".into(),
            kind: Kind::Adopted,
            ticket: Some("w1.1-1".into()),
            returned: 60,
            ..grant()
        });
        let version = Version { token: 7, seq: 2 };
        journal.writing("k", version, 10);
        journal.written("k", version, 12);
        journal.saw(&RegisterRead {
            client: "w1.1".into(),
            key: "k".into(),
            holder: Some(7),
            called: 13,
            returned: 14,
            found: Some(version),
        });
        journal.unanswered("k", 15);

        let history = History::read(folder.path()).expect("a history");
        assert_eq!(history.grants[0].detached, Some(50));
        assert_eq!(history.grants[1].kind, Kind::Adopted);
        assert_eq!(history.grants[1].ticket.as_deref(), Some("w1.1-1"));
        assert_eq!(history.writes[0].confirmed, Some(12));
        let read = &history.reads[0];
        assert_eq!((read.holder, read.found), (Some(7), Some(version)));
        assert_eq!(history.unanswered_reads, 1);
    }

    #[test]
    fn a_line_cut_short_by_a_kill_is_ignored() {
        let mut history = History::default();
        history
            .add("grant a c k 7 1 1 2 3 100 lock -\ngrant b c k 8 1 1 2 3 10")
            .expect("lines");
        assert_eq!(history.grants.len(), 1);
        assert!(history.add("nonsense x\n").is_err());
    }
}
