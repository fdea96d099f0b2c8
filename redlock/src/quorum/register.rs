//! The rules of a register: which answers count as votes, and what a majority has stored.
//!
//! A register outlives its lock, so the guard time of locks is too short for it. A node that
//! started after a version was written may have forgotten it, and an empty answer of it proves
//! nothing. So an answer counts as a vote in two cases. Either the node has been up for the whole
//! retention, so that everything it may have forgotten has expired. Or the version is too new to
//! have been written before the node started.

use std::time::Duration;

use super::{token::signed, token_block::TokenBlock};
use crate::command::{RegisterAnswer, RegisterReply, Stored, Version};

/// Decides which answers count as votes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trust {
    /// The client's clock, in microseconds.
    pub(crate) now: u64,
    /// The token clock at the same moment.
    pub(crate) token_now: u64,
    pub(crate) retention: Duration,
    /// How long ago the first version was written at the earliest. [`Duration::MAX`] if that is unknown.
    pub(crate) age: Duration,
    pub(crate) skew: Duration,
}

impl Trust {
    /// Whether a node that has forgotten nothing since `since` has a vote on `version`.
    pub(crate) fn counts(&self, since: i64, version: Version) -> bool {
        let skew = micros(self.skew);
        if self.up(since) >= self.covered(self.retention.min(self.age)) {
            return true;
        }
        // The clock that the token comes from may be ahead, and the lease may reserve a block of
        // tokens.
        let since_token = since
            .saturating_sub(signed(self.now))
            .saturating_add(signed(self.token_now));
        let newest_before = since_token
            .saturating_add(skew)
            .saturating_add(signed(TokenBlock::MOST_AHEAD));
        signed(version.token) > newest_before
    }

    /// How much longer a node that has forgotten nothing since `since` may have forgotten a
    /// version.
    pub(crate) fn left(&self, since: i64) -> Duration {
        let up = self.up(since);
        if up >= self.covered(self.age) {
            return Duration::ZERO;
        }
        let left = self.covered(self.retention).saturating_sub(up);
        Duration::from_micros(u64::try_from(left).unwrap_or(0))
    }

    fn up(&self, since: i64) -> i64 {
        signed(self.now).saturating_sub(since)
    }

    /// How long a node must have been up to remember what was written within `time`. The clock that set the expiry may be ahead.
    fn covered(&self, time: Duration) -> i64 {
        micros(time).saturating_add(micros(self.skew))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The result of the votes of a read.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) votes: usize,
    /// The highest version among the votes.
    pub(crate) highest: Option<&'a Stored>,
    /// How many votes are for it.
    pub(crate) agreeing: usize,
    /// A node knows a later holder.
    pub(crate) newer: bool,
}

pub(crate) fn seen<'a>(
    answers: impl Iterator<Item = &'a RegisterAnswer>,
    trust: &Trust,
) -> Seen<'a> {
    let mut seen = Seen {
        votes: 0,
        highest: None,
        agreeing: 0,
        newer: false,
    };
    for answer in answers {
        let stored = match &answer.reply {
            RegisterReply::Read(stored) => stored,
            RegisterReply::Written => continue,
            RegisterReply::Newer => {
                seen.newer = true;
                continue;
            }
        };
        if !trust.counts(answer.remembers_since, stored.version) {
            continue;
        }
        seen.votes += 1;
        match seen.highest {
            Some(highest) if highest.version > stored.version => {}
            Some(highest) if highest.version == stored.version => seen.agreeing += 1,
            _ => (seen.highest, seen.agreeing) = (Some(stored), 1),
        }
    }
    seen
}

/// The result of the answers to a write of one version.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Acknowledged {
    pub(crate) votes: usize,
    /// A node knows a later holder.
    pub(crate) newer: bool,
}

pub(crate) fn acknowledged<'a>(
    answers: impl Iterator<Item = &'a RegisterAnswer>,
    version: Version,
    trust: &Trust,
) -> Acknowledged {
    let mut done = Acknowledged::default();
    for answer in answers {
        match answer.reply {
            RegisterReply::Written if trust.counts(answer.remembers_since, version) => {
                done.votes += 1;
            }
            RegisterReply::Newer => done.newer = true,
            RegisterReply::Written | RegisterReply::Read(_) => {}
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    /// The client has run for 1,000 s, tokens are 5,000 s ahead of its clock.
    fn trust() -> Trust {
        Trust {
            now: 1_000 * SECOND,
            token_now: 6_000 * SECOND,
            retention: Duration::from_secs(600),
            age: Duration::MAX,
            skew: Duration::from_secs(5),
        }
    }

    fn version(token: u64) -> Version {
        Version { token, seq: 0 }
    }

    fn read(token: u64, since: i64) -> RegisterAnswer {
        RegisterAnswer {
            reply: RegisterReply::Read(Stored {
                version: version(token),
                ..Stored::default()
            }),
            remembers_since: since,
        }
    }

    #[test]
    fn a_node_older_than_the_retention_votes_on_every_version() {
        let second = signed(SECOND);
        assert!(trust().counts(395 * second, version(0)));
        assert!(!trust().counts(395 * second + 1, version(0)));
        assert!(trust().counts(i64::MIN, version(0)));
        assert_eq!(trust().left(396 * second), Duration::from_secs(1));
        assert_eq!(trust().left(i64::MIN), Duration::ZERO);
    }

    #[test]
    fn a_node_that_started_before_the_first_version_has_a_vote_on_anything() {
        let young = Trust {
            age: Duration::from_secs(100),
            ..trust()
        };
        let second = signed(SECOND);
        assert!(young.counts(895 * second, version(0)));
        assert_eq!(young.left(895 * second), Duration::ZERO);
        assert!(!young.counts(895 * second + 1, version(0)));
        assert_eq!(young.left(896 * second), Duration::from_secs(501));
    }

    #[test]
    fn a_young_node_votes_on_versions_newer_than_its_start_plus_the_skew() {
        let started = signed(990 * SECOND);
        let newest_before = (5_990 + 5) * SECOND + TokenBlock::MOST_AHEAD;
        assert!(!trust().counts(started, version(newest_before)));
        assert!(trust().counts(started, version(newest_before + 1)));
    }

    #[test]
    fn an_empty_answer_does_not_count_if_the_node_may_have_forgotten_the_value() {
        let answers = [
            read(0, signed(999 * SECOND)),
            read(7, i64::MIN),
            read(0, i64::MIN),
        ];
        let seen = seen(answers.iter(), &trust());
        assert_eq!((seen.votes, seen.agreeing, seen.newer), (2, 1, false));
        assert_eq!(seen.highest.map(|stored| stored.version), Some(version(7)));
    }

    #[test]
    fn votes_for_the_highest_version_are_counted() {
        let answers = [read(3, i64::MIN), read(7, i64::MIN), read(7, i64::MIN)];
        let seen = seen(answers.iter(), &trust());
        assert_eq!((seen.votes, seen.agreeing), (3, 2));
    }

    #[test]
    fn an_acknowledgement_does_not_count_if_the_node_may_have_forgotten_a_promise() {
        let answer = |reply, remembers_since| RegisterAnswer {
            reply,
            remembers_since,
        };
        let answers = [
            answer(RegisterReply::Written, signed(999 * SECOND)),
            answer(RegisterReply::Written, i64::MIN),
            answer(RegisterReply::Newer, i64::MIN),
        ];
        let done = acknowledged(answers.iter(), version(5_000 * SECOND), &trust());
        assert_eq!((done.votes, done.newer), (1, true));
    }
}
