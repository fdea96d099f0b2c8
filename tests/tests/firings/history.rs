//! What the replicas did, and what is wrong with it.

use std::collections::BTreeMap;

use rustix::time::{ClockId, clock_gettime};

/// In nanoseconds, since the last mark of a body.
const KILLED_WITHIN: u64 = 500_000_000;

/// One run of the body of a firing.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) replica: String,
    /// Seconds since 1970.
    pub(crate) firing: u64,
    token: u64,
    pub(crate) again: bool,
    /// When it was surely running, in nanoseconds. In order.
    pub(crate) marks: Vec<u64>,
    pub(crate) ended: bool,
    /// Its replica was killed before it ended.
    pub(crate) killed: bool,
}

impl Run {
    fn began(&self) -> u64 {
        self.marks[0]
    }
}

#[derive(Debug, Default)]
pub(crate) struct History {
    /// In the order in which they began.
    pub(crate) runs: Vec<Run>,
    /// When it was on record for the first time that a firing was completed.
    pub(crate) recorded: BTreeMap<u64, u64>,
}

impl History {
    /// From the lines that the replicas wrote.
    pub(crate) fn read(text: &str, killed: &[(String, u64)]) -> Self {
        let mut history = Self::default();
        // The last line may be incomplete.
        for line in text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
        {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [what, replica, at, firing, token, again] = words[..] else {
                panic!("what is {line:?}?");
            };
            let number = |word: &str| word.parse::<u64>().expect("a number");
            let (at, firing, token) = (number(at), number(firing), number(token));
            match what {
                "recorded" => {
                    history.recorded.entry(firing).or_insert(at);
                }
                "begin" => history.runs.push(Run {
                    replica: replica.to_owned(),
                    firing,
                    token,
                    again: again == "true",
                    marks: vec![at],
                    ended: false,
                    killed: false,
                }),
                _ => {
                    let mut runs = history.runs.iter_mut().rev();
                    let run = runs.find(|run| run.replica == replica && run.firing == firing);
                    let run = run.expect("it began");
                    run.marks.push(at);
                    run.ended = what == "end";
                }
            }
        }
        history.runs.sort_by_key(Run::began);
        for run in history.runs.iter_mut().filter(|run| !run.ended) {
            // One that was lost before that does not count.
            let last = run.marks.last().copied().unwrap_or(0);
            let near = |at: u64| at.saturating_sub(last) < KILLED_WITHIN;
            run.killed = (killed.iter()).any(|(name, at)| *name == run.replica && near(*at));
        }
        history
    }

    /// The firings that began.
    pub(crate) fn firings(&self) -> Vec<u64> {
        let mut firings: Vec<u64> = self.runs.iter().map(|run| run.firing).collect();
        firings.sort_unstable();
        firings.dedup();
        firings
    }

    pub(crate) fn first(&self) -> Option<u64> {
        self.runs.iter().map(|run| run.firing).min()
    }

    pub(crate) fn last(&self) -> Option<u64> {
        self.runs.iter().map(|run| run.firing).max()
    }

    fn runs_of(&self, firing: u64) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(move |run| run.firing == firing)
    }

    /// Bodies that ran while a later one did.
    pub(crate) fn overlaps(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (place, run) in self.runs.iter().enumerate() {
            let later = self.runs[place + 1..].first();
            let overlaps = later.filter(|later| run.marks.last() > Some(&later.began()));
            wrong.extend(overlaps.map(|later| format!("at once: {run:?} and {later:?}")));
        }
        wrong
    }

    /// Later runs that do not have a higher token.
    pub(crate) fn tokens(&self) -> Vec<String> {
        let pairs = self.runs.windows(2);
        let wrong = pairs.filter(|pair| pair[0].token >= pair[1].token);
        wrong.map(|pair| format!("tokens: {pair:?}")).collect()
    }

    /// Firings that began twice.
    pub(crate) fn twice(&self) -> Vec<String> {
        let firings = self.firings().into_iter();
        let twice = firings.filter(|firing| self.runs_of(*firing).count() > 1);
        twice.map(|firing| format!("twice: {firing}")).collect()
    }

    /// Runs of firings that were on record as completed when they began.
    pub(crate) fn repeated(&self) -> Vec<String> {
        let repeated = self.runs.iter().filter(|run| {
            let recorded = self.recorded.get(&run.firing);
            recorded.is_some_and(|recorded| *recorded < run.began())
        });
        repeated.map(|run| format!("repeated: {run:?}")).collect()
    }

    /// Firings up to this one that did not begin, or of which no run ended.
    pub(crate) fn not_run(&self, last: u64, ended: bool) -> Vec<u64> {
        let all = self.first().unwrap_or(last)..=last;
        let ran = |firing: &u64| self.runs_of(*firing).any(|run| run.ended || !ended);
        all.filter(|firing| !ran(firing)).collect()
    }
}

/// Nanoseconds, as the replicas write them.
pub(crate) fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

#[test]
fn what_is_wrong_is_found() {
    let of = |lines: &[&str]| {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        History::read(&text, &[("dead".to_owned(), 30)])
    };
    let first = ["begin a 10 7 1 false", "end a 20 7 1 false"];
    let then = |lines: &[&str]| of(&[&first[..], lines].concat());
    let good = then(&["recorded a 21 7 0 false", "begin b 22 8 2 false"]);
    assert!(good.overlaps().is_empty() && good.tokens().is_empty());
    assert!(good.twice().is_empty() && good.repeated().is_empty());
    assert!(good.not_run(8, false).is_empty());
    assert_eq!(good.not_run(9, false), [9]);
    assert_eq!(good.not_run(8, true), [8]);
    assert_eq!(then(&["begin b 15 8 2 false"]).overlaps().len(), 1);
    assert_eq!(then(&["begin b 22 8 1 false"]).tokens().len(), 1);
    assert_eq!(then(&["begin b 22 7 2 true"]).twice().len(), 1);
    assert!(then(&["begin b 22 7 2 true"]).repeated().is_empty());
    let recorded = ["recorded a 21 7 0 false", "begin b 22 7 2 true"];
    assert_eq!(then(&recorded).repeated().len(), 1);
    let killed = then(&["begin dead 22 8 2 false", "tick dead 23 8 2 false"]);
    assert!(killed.runs[1].killed && !killed.runs[0].killed);
}
