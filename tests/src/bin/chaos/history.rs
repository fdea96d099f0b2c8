//! What the clients did, as lines of text: written by each into its own file, read by the checker.
//!
//! Stamps and durations are in nanoseconds. A line is one write, so that a process that is killed leaves whole ones.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use crate::args::Problem;
use crate::stamp::{Stamp, ns};

/// One grant, from the request to its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grant {
    pub(crate) id: String,
    pub(crate) client: String,
    pub(crate) key: String,
    pub(crate) token: u64,
    /// Round trips of the acquire.
    pub(crate) rounds: u32,
    pub(crate) call: Stamp,
    /// When the winning round began, by what was left at the return; never later than it did.
    pub(crate) began: Stamp,
    pub(crate) returned: Stamp,
    /// The latest end that the holder was told; never later than it was.
    pub(crate) valid: Stamp,
    /// When the release was called; never, where the holder died before.
    pub(crate) letting: Option<Stamp>,
    /// When the release returned.
    pub(crate) ended: Option<Stamp>,
}

impl Grant {
    /// Until when the holder relied on it.
    pub(crate) fn until(&self) -> Stamp {
        self.letting.unwrap_or(Stamp::MAX).min(self.valid)
    }
}

/// One request that came to nothing.
#[derive(Clone, Debug)]
pub(crate) struct Miss {
    pub(crate) client: String,
    pub(crate) key: String,
    pub(crate) call: Stamp,
    pub(crate) returned: Stamp,
    pub(crate) wait: Duration,
    pub(crate) why: String,
}

/// What the nodes said of a key while it was held.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) grant: String,
    pub(crate) at: Stamp,
    pub(crate) valid: Stamp,
    pub(crate) nodes: Vec<Seen>,
}

/// What one node said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The holder's value, until then at the latest.
    Until(Stamp),
    /// Nothing, or another's value.
    Gone,
    /// No answer.
    Silent,
}

/// All that the clients of a run wrote.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) grants: Vec<Grant>,
    pub(crate) misses: Vec<Miss>,
    pub(crate) samples: Vec<Sample>,
}

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
            client,
            key,
            token,
            rounds,
            call,
            began,
            returned,
            valid,
            ..
        } = grant;
        self.line(&format!(
            "grant {id} {client} {key} {token} {rounds} {call} {began} {returned} {valid}"
        ));
    }

    /// The holder was told that it is valid until then.
    pub(crate) fn kept(&self, id: &str, valid: Stamp) {
        self.line(&format!("kept {id} {valid}"));
    }

    pub(crate) fn letting(&self, id: &str, at: Stamp) {
        self.line(&format!("letting {id} {at}"));
    }

    pub(crate) fn ended(&self, id: &str, at: Stamp, outcome: &str) {
        self.line(&format!("ended {id} {at} {outcome}"));
    }

    pub(crate) fn miss(&self, miss: &Miss) {
        let Miss {
            client,
            key,
            call,
            returned,
            wait,
            why,
        } = miss;
        self.line(&format!(
            "miss {client} {key} {call} {returned} {} {why}",
            ns(*wait)
        ));
    }

    pub(crate) fn sample(&self, sample: &Sample) {
        let mut line = format!("sample {} {} {}", sample.grant, sample.at, sample.valid);
        for seen in &sample.nodes {
            line.push_str(&match seen {
                Seen::Until(stamp) => format!(" {stamp}"),
                Seen::Gone => " gone".to_owned(),
                Seen::Silent => " silent".to_owned(),
            });
        }
        self.line(&line);
    }

    fn line(&self, line: &str) {
        let mut file = self
            .file
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        // A history with holes must not pass for one without violations.
        if let Err(error) = file.write_all(format!("{line}\n").as_bytes()) {
            panic!("the history cannot be written: {error}");
        }
    }
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

    /// Adds the lines of one client; what a kill cut off does not count. `Err` is a line that cannot be read.
    pub(crate) fn add(&mut self, text: &str) -> Result<(), String> {
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut places = HashMap::new();
        for line in whole.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            self.line(&words, &mut places).ok_or(line)?;
        }
        Ok(())
    }

    fn line(&mut self, words: &[&str], places: &mut HashMap<String, usize>) -> Option<()> {
        let id = *words.get(1)?;
        let number = |place: usize| words.get(place)?.parse::<u64>().ok();
        match *words.first()? {
            "grant" => {
                places.insert(id.to_owned(), self.grants.len());
                self.grants.push(Grant {
                    id: id.to_owned(),
                    client: (*words.get(2)?).to_owned(),
                    key: (*words.get(3)?).to_owned(),
                    token: number(4)?,
                    rounds: u32::try_from(number(5)?).ok()?,
                    call: number(6)?,
                    began: number(7)?,
                    returned: number(8)?,
                    valid: number(9)?,
                    letting: None,
                    ended: None,
                });
            }
            "miss" => self.misses.push(Miss {
                client: id.to_owned(),
                key: (*words.get(2)?).to_owned(),
                call: number(3)?,
                returned: number(4)?,
                wait: Duration::from_nanos(number(5)?),
                why: (*words.get(6)?).to_owned(),
            }),
            "sample" => self.samples.push(Sample {
                grant: id.to_owned(),
                at: number(2)?,
                valid: number(3)?,
                nodes: words[4..]
                    .iter()
                    .map(|word| seen(word))
                    .collect::<Option<_>>()?,
            }),
            what => {
                let grant = self.grants.get_mut(*places.get(id)?)?;
                match what {
                    "kept" => grant.valid = grant.valid.max(number(2)?),
                    "letting" => grant.letting = Some(number(2)?),
                    "ended" => grant.ended = Some(number(2)?),
                    _ => return None,
                }
            }
        }
        Some(())
    }
}

fn seen(word: &str) -> Option<Seen> {
    match word {
        "gone" => Some(Seen::Gone),
        "silent" => Some(Seen::Silent),
        stamp => stamp.parse().ok().map(Seen::Until),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::create(&folder.path().join("w1.1.history")).expect("a file");
        let grant = Grant {
            id: "w1.1-1".into(),
            client: "w1.1".into(),
            key: "k".into(),
            token: 7,
            rounds: 1,
            call: 1,
            began: 2,
            returned: 3,
            valid: 100,
            ..Grant::default()
        };
        journal.grant(&grant);
        journal.kept("w1.1-1", 200);
        journal.letting("w1.1-1", 150);
        journal.ended("w1.1-1", 160, "released");
        let nodes = vec![Seen::Until(210), Seen::Gone, Seen::Silent];
        journal.sample(&Sample {
            grant: "w1.1-1".into(),
            at: 5,
            valid: 100,
            nodes: nodes.clone(),
        });

        let history = History::read(folder.path()).expect("a history");
        assert_eq!((history.grants.len(), history.samples.len()), (1, 1));
        let read = &history.grants[0];
        assert_eq!(
            (read.valid, read.until(), read.ended),
            (200, 150, Some(160))
        );
        assert_eq!(history.samples[0].nodes, nodes);
    }

    #[test]
    fn a_line_that_a_kill_cut_off_does_not_count() {
        let mut history = History::default();
        history
            .add("grant a c k 7 1 1 2 3 100\ngrant b c k 8 1 1 2 3 10")
            .expect("lines");
        assert_eq!(history.grants.len(), 1);
        assert!(history.add("nonsense x\n").is_err());
    }
}
