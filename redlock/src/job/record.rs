//! The record of a job in the register of its lock: the firings that are spent, and the outcome of
//! the last one.
//!
//! It is text, with a line for each field. Lines with unknown names are skipped, so that a later
//! version may add fields.

use std::fmt::Write as _;

const HEAD: &str = "redlock job 1";
/// Maximum length of an error in a record, in bytes.
const ERROR: usize = 500;

/// The record of a job. Times are microseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// Every firing up to this instant is spent: it was run, or it never will be.
    pub(super) spent: u64,
    /// When the record was written.
    pub(super) written: u64,
    /// The next firing, as the writer computed it.
    pub(super) next: Option<u64>,
    /// The last firing that was completed.
    pub(super) completed: Option<u64>,
    /// How many firings nobody ran, among those up to [`counted`](Self::counted).
    pub(super) missed: u64,
    /// How many firings were skipped because an earlier one still ran.
    pub(super) skipped: u64,
    /// Every firing up to this instant that nobody ran is in `missed`. Apart from `spent`, because it
    /// decides nothing.
    pub(super) counted: u64,
    /// The options of the writer.
    pub(super) settings: Option<String>,
    pub(super) last: Option<LastRun>,
}

/// The last firing that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LastRun {
    pub(super) firing: u64,
    pub(super) started: u64,
    pub(super) ended: Option<u64>,
    pub(super) state: RunState,
    pub(super) attempts: u32,
    /// The label of the client that ran it.
    pub(super) label: Option<String>,
    /// Why it failed.
    pub(super) error: Option<String>,
}

/// The outcome of a firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunState {
    /// It was started, and no end is recorded. It runs, or its process crashed and no other replica
    /// has taken over.
    Running,
    /// Its body ended without an error.
    Completed,
    /// Its body returned an error, panicked or took longer than `max_run`, at each attempt.
    Failed,
    /// Its process crashed or lost the lock, and the firing is not run again.
    Crashed,
    /// Its body was dropped because the next firing was due:
    /// [`Overlap::Cancel`](super::Overlap::Cancel).
    Cancelled,
}

impl LastRun {
    pub(super) fn begun(firing: u64, started: u64, label: Option<String>) -> Self {
        Self {
            firing,
            started,
            ended: None,
            state: RunState::Running,
            attempts: 1,
            label,
            error: None,
        }
    }
}

impl RunState {
    const ALL: [(Self, &str); 5] = [
        (Self::Running, "running"),
        (Self::Completed, "completed"),
        (Self::Failed, "failed"),
        (Self::Crashed, "crashed"),
        (Self::Cancelled, "cancelled"),
    ];

    pub(super) fn name(self) -> &'static str {
        let named = Self::ALL.into_iter().find(|(state, _)| *state == self);
        named.map_or("", |(_, name)| name)
    }
}

impl Record {
    /// The firing that was started and has no recorded end.
    pub(super) fn open_run(&self) -> Option<&LastRun> {
        self.last
            .as_ref()
            .filter(|last| last.state == RunState::Running)
    }

    /// Records the end of the last run.
    pub(super) fn end(&mut self, at: u64, state: RunState, attempts: u32, error: Option<String>) {
        let Some(last) = &mut self.last else {
            return;
        };
        if state == RunState::Completed {
            self.completed = Some(last.firing);
        }
        (last.ended, last.attempts) = (Some(at), attempts);
        (last.state, last.error) = (state, error);
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!("{HEAD}\nspent {}\nwritten {}\n", self.spent, self.written);
        let mut line = |name: &str, value: &dyn std::fmt::Display| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name} {value}");
        };
        for (name, value) in [("next", self.next), ("completed", self.completed)] {
            if let Some(value) = value {
                line(name, &value);
            }
        }
        line("missed", &self.missed);
        line("skipped", &self.skipped);
        line("counted", &self.counted);
        if let Some(settings) = &self.settings {
            line("settings", settings);
        }
        if let Some(last) = &self.last {
            line("firing", &last.firing);
            line("started", &last.started);
            line("state", &last.state.name());
            line("attempts", &last.attempts);
            if let Some(ended) = last.ended {
                line("ended", &ended);
            }
            if let Some(label) = &last.label {
                line("label", label);
            }
            if let Some(error) = &last.error {
                line("error", &beginning_of(error).escape_debug());
            }
        }
        text
    }

    /// `None` if the text is from another version or another program.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let lines = text.strip_prefix(HEAD)?.strip_prefix('\n')?;
        let field = |name: &str| {
            let mut lines = lines.lines().filter_map(|line| line.split_once(' '));
            lines
                .find(|(other, _)| *other == name)
                .map(|(_, value)| value)
        };
        let number = |name| field(name).and_then(|value| value.parse::<u64>().ok());
        let state = field("state").and_then(|name| {
            let mut all = RunState::ALL.into_iter();
            all.find(|(_, other)| *other == name)
                .map(|(state, _)| state)
        });
        let last = state.zip(number("firing")).map(|(state, firing)| LastRun {
            firing,
            started: number("started").unwrap_or(firing),
            ended: number("ended"),
            state,
            attempts: number("attempts")
                .and_then(|count| u32::try_from(count).ok())
                .unwrap_or(0),
            label: field("label").map(str::to_owned),
            error: field("error").map(str::to_owned),
        });
        Some(Self {
            spent: number("spent")?,
            written: number("written").unwrap_or(0),
            next: number("next"),
            completed: number("completed"),
            missed: number("missed").unwrap_or(0),
            skipped: number("skipped").unwrap_or(0),
            counted: number("counted").unwrap_or(0),
            settings: field("settings").map(str::to_owned),
            last,
        })
    }
}

/// At most [`ERROR`] bytes of a text.
fn beginning_of(text: &str) -> &str {
    let mut end = text.len().min(ERROR);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            spent: 70,
            written: 75,
            next: Some(80),
            completed: None,
            missed: 4,
            skipped: 2,
            counted: 60,
            settings: Some("catch_up 1h".to_owned()),
            last: Some(LastRun {
                firing: 70,
                started: 71,
                ended: Some(72),
                state: RunState::Failed,
                attempts: 3,
                label: Some("api-7".to_owned()),
                error: Some("no\nroute".to_owned()),
            }),
        }
    }

    #[test]
    fn a_record_is_read_back() {
        let mut read = Record::read(record().text().as_bytes()).expect("a record");
        let error = read.last.as_mut().and_then(|last| last.error.take());
        assert_eq!(error.as_deref(), Some("no\\nroute"), "one line");
        let mut written = record();
        written.last.as_mut().expect("a run").error = None;
        assert_eq!(read, written);
        let empty = Record::default();
        assert_eq!(Record::read(empty.text().as_bytes()), Some(empty));
    }

    #[test]
    fn a_long_error_is_shortened() {
        let mut long = record();
        long.last.as_mut().expect("a run").error = Some("é".repeat(ERROR));
        assert!(long.text().len() < 2 * ERROR);
    }

    #[test]
    fn unknown_fields_are_skipped_and_other_texts_are_not_a_record() {
        let text = record().text() + "region north\n";
        assert!(Record::read(text.as_bytes()).is_some());
        for text in [
            "",
            "redlock job 2\nspent 7\n",
            "redlock job 1\nspent x\n",
            "{}",
        ] {
            assert_eq!(Record::read(text.as_bytes()), None, "{text}");
        }
    }
}
