//! The history of a run: the records of its clients, and reading them from the clients' files.

mod events;
mod journal;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::args::Problem;
use crate::timestamp::Timestamp;
pub(crate) use events::{Event, EventKind, Events, during, paused};
pub(crate) use journal::Journal;

/// One grant, from the request to its release.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grant {
    pub(crate) id: String,
    pub(crate) client: String,
    pub(crate) key: String,
    pub(crate) token: u64,
    /// Round trips of the acquire.
    pub(crate) rounds: u32,
    /// When the request was made.
    pub(crate) called: Timestamp,
    /// When the winning round began, computed from the validity at the return. Never later than the
    /// real start.
    pub(crate) began: Timestamp,
    pub(crate) returned: Timestamp,
    /// The latest end of validity that the guard reported, rounded down.
    pub(crate) valid_until: Timestamp,
    /// When the release was called; `None` when the holder was killed before.
    pub(crate) releasing: Option<Timestamp>,
    /// When the release returned.
    pub(crate) released: Option<Timestamp>,
}

impl Grant {
    /// Until when the holder relied on it.
    pub(crate) fn held_until(&self) -> Timestamp {
        self.releasing
            .unwrap_or(Timestamp::MAX)
            .min(self.valid_until)
    }
}

/// One request that got no lock.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) client: String,
    pub(crate) key: String,
    pub(crate) called: Timestamp,
    pub(crate) returned: Timestamp,
    /// The `wait` of the request.
    pub(crate) wait: Duration,
    /// The kind of the error, or `dropped`.
    pub(crate) reason: String,
}

/// The state of a lock on the nodes while it was held.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) grant: String,
    pub(crate) at: Timestamp,
    pub(crate) valid_until: Timestamp,
    pub(crate) nodes: Vec<NodeState>,
}

/// The state of a lock on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeState {
    /// The holder's value, which expires at this time at the latest.
    HeldUntil(Timestamp),
    /// No value, or that of another client.
    NotHeld,
    NoReply,
}

/// Everything that the clients of a run wrote.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) grants: Vec<Grant>,
    pub(crate) failures: Vec<Failure>,
    pub(crate) samples: Vec<Sample>,
}

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
        let mut grants = HashMap::new();
        for line in whole.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            self.line(&words, &mut grants).ok_or(line)?;
        }
        Ok(())
    }

    /// Adds one line. `grants` has the index of each grant of this file, by its id.
    fn line(&mut self, words: &[&str], grants: &mut HashMap<String, usize>) -> Option<()> {
        let id = *words.get(1)?;
        let number = |place: usize| words.get(place)?.parse::<u64>().ok();
        match *words.first()? {
            "grant" => {
                grants.insert(id.to_owned(), self.grants.len());
                self.grants.push(Grant {
                    id: id.to_owned(),
                    client: (*words.get(2)?).to_owned(),
                    key: (*words.get(3)?).to_owned(),
                    token: number(4)?,
                    rounds: u32::try_from(number(5)?).ok()?,
                    called: number(6)?,
                    began: number(7)?,
                    returned: number(8)?,
                    valid_until: number(9)?,
                    releasing: None,
                    released: None,
                });
            }
            "failure" => self.failures.push(Failure {
                client: id.to_owned(),
                key: (*words.get(2)?).to_owned(),
                called: number(3)?,
                returned: number(4)?,
                wait: Duration::from_nanos(number(5)?),
                reason: (*words.get(6)?).to_owned(),
            }),
            "sample" => self.samples.push(Sample {
                grant: id.to_owned(),
                at: number(2)?,
                valid_until: number(3)?,
                nodes: words[4..]
                    .iter()
                    .map(|word| node_state(word))
                    .collect::<Option<_>>()?,
            }),
            kind => {
                let grant = self.grants.get_mut(*grants.get(id)?)?;
                match kind {
                    "extended" => grant.valid_until = grant.valid_until.max(number(2)?),
                    "releasing" => grant.releasing = Some(number(2)?),
                    "released" => grant.released = Some(number(2)?),
                    _ => return None,
                }
            }
        }
        Some(())
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

    #[test]
    fn lines_of_the_journal_can_be_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::create(&folder.path().join("w1.1.history")).expect("a file");
        let grant = Grant {
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
        };
        journal.grant(&grant);
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
    fn a_line_cut_short_by_a_kill_is_ignored() {
        let mut history = History::default();
        history
            .add("grant a c k 7 1 1 2 3 100\ngrant b c k 8 1 1 2 3 10")
            .expect("lines");
        assert_eq!(history.grants.len(), 1);
        assert!(history.add("nonsense x\n").is_err());
    }
}
