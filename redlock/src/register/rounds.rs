//! The rounds of reads and writes, and what their answers mean for the caller.

use std::{sync::Arc, time::Duration};

use crate::{
    command::{Command, ReadRegister, RegisterAnswer, Reply, Stored, Version, WriteRegister},
    core::Core,
    error::{Error, NodeError, Result},
    fault::FaultKind,
    key::Key,
    node::sleep,
    quorum::{
        backoff::{self, Refusal, WakeUp},
        register::{Acknowledged, Seen, Trust, acknowledged, seen},
    },
    round::fan_out::{Answer, Answers, fan_out},
};

/// Maximum number of attempts of a reader without the lock while holders write.
const ATTEMPTS: u32 = 8;
const OVERTAKEN: &str =
    "a later holder has read or written its register: this one has lost the lock";

/// The register that is read or written.
pub(super) struct Register<'a> {
    pub(super) core: &'a Arc<Core>,
    pub(super) key: Arc<Key>,
    pub(super) retention: Duration,
    /// Nothing was written before this, in milliseconds since 1970. 0 if that is unknown.
    pub(super) first: u64,
}

impl Register<'_> {
    /// What the holder with `token` finds.
    pub(super) async fn read_by_holder(&self, token: u64) -> Result<Stored> {
        let quorum = self.core.nodes.quorum();
        let answers = self
            .send(self.read_command(Some(token)), |trust, answers| {
                let seen = seen(answers, trust);
                seen.votes >= quorum || seen.newer
            })
            .await?;
        let trust = self.trust();
        let Seen {
            votes,
            highest,
            agreeing,
            newer,
        } = seen(register_answers(&answers), &trust);
        if newer {
            return Err(Error::lost(self.key.given(), OVERTAKEN));
        }
        let Some(found) = highest.filter(|_| votes >= quorum) else {
            return Err(self.too_few(&answers, &trust));
        };
        let is_own = found.version.token == token;
        if !(is_own && agreeing >= quorum) {
            let version = match is_own {
                true => found.version,
                false => Version { token, seq: 0 },
            };
            let write = Stored {
                version,
                expires: match &found.value {
                    Some(_) => found.expires,
                    None => self.expires(),
                },
                value: found.value.clone(),
            };
            self.write_by_holder(write).await?;
        }
        Ok(found.clone())
    }

    /// Writes a version of a holder.
    pub(super) async fn write_by_holder(&self, stored: Stored) -> Result<()> {
        let (answers, done, trust) = self.write(stored).await?;
        if done.votes >= self.core.nodes.quorum() {
            Ok(())
        } else if done.newer {
            Err(Error::lost(self.key.given(), OVERTAKEN))
        } else {
            Err(self.too_few(&answers, &trust))
        }
    }

    /// What a reader without the lock finds.
    pub(super) async fn read_by_anyone(&self) -> Result<Stored> {
        self.core.open(Some(self.key.given()))?;
        let quorum = self.core.nodes.quorum();
        for attempt in 0..ATTEMPTS {
            let answers = self
                .send(self.read_command(None), |trust, answers| {
                    let seen = seen(answers, trust);
                    seen.votes >= quorum && seen.agreeing >= quorum
                })
                .await?;
            let trust = self.trust();
            let seen = seen(register_answers(&answers), &trust);
            let Some(found) = seen.highest.filter(|_| seen.votes >= quorum) else {
                return Err(self.too_few(&answers, &trust));
            };
            if seen.agreeing >= quorum {
                return Ok(found.clone());
            }
            // Write it back, so that no later reader sees an older version.
            let (answers, done, trust) = self.write(found.clone()).await?;
            if done.votes >= quorum {
                return Ok(found.clone());
            }
            if !done.newer {
                return Err(self.too_few(&answers, &trust));
            }
            // A holder has written since.
            let jitter = self.core.nodes.random.draw();
            let pause = backoff::delay(Refusal::Split, attempt, jitter, WakeUp::Never);
            if let Some(pause) = sleep(pause) {
                pause.await;
            }
        }
        Err(Error::register_changing(self.key.given(), ATTEMPTS))
    }

    /// The command to read the register, by the holder with this token or by a reader without the
    /// lock.
    fn read_command(&self, holder: Option<u64>) -> Command {
        Command::from(ReadRegister {
            holder,
            kept: self.kept(),
        })
    }

    async fn write(&self, stored: Stored) -> Result<(Answers, Acknowledged, Trust)> {
        let (version, quorum) = (stored.version, self.core.nodes.quorum());
        let write = WriteRegister {
            stored: Arc::new(stored),
            kept: self.kept(),
        };
        let answers = self
            .send(write.into(), |trust, answers| {
                acknowledged(answers, version, trust).votes >= quorum
            })
            .await?;
        let trust = self.trust();
        let done = acknowledged(register_answers(&answers), version, &trust);
        Ok((answers, done, trust))
    }

    async fn send(
        &self,
        command: Command,
        enough: impl Fn(&Trust, &mut dyn Iterator<Item = &RegisterAnswer>) -> bool,
    ) -> Result<Answers> {
        let (core, nodes) = (self.core, &self.core.nodes);
        let connections = core.connections()?;
        let key = Arc::clone(&self.key);
        let answers = fan_out(
            nodes,
            &connections,
            key,
            command,
            nodes.timeout,
            |answers| {
                let mut answers = answers.iter().copied().filter_map(register_answer);
                enough(&self.trust(), &mut answers)
            },
        );
        Ok(answers.await)
    }

    fn trust(&self) -> Trust {
        let (nodes, now) = (&self.core.nodes, self.core.now());
        Trust {
            now: now.micros(),
            token_now: nodes.tokens.micros(now),
            retention: self.retention,
            age: self.age(),
            skew: nodes.skew,
        }
    }

    /// How long ago the first value was written at the earliest.
    fn age(&self) -> Duration {
        match self.wall_clock().checked_sub(self.first) {
            Some(age) => Duration::from_millis(age),
            None => Duration::MAX,
        }
    }

    /// How long the nodes keep a record. The promise must outlive a late write of an earlier
    /// holder, whose expiry may come from a clock that is ahead.
    fn kept(&self) -> Duration {
        self.retention.saturating_add(self.core.nodes.skew)
    }

    /// When a value that is written now expires, in milliseconds since 1970.
    pub(super) fn expires(&self) -> u64 {
        let retention = u64::try_from(self.retention.as_millis()).unwrap_or(u64::MAX);
        self.wall_clock().saturating_add(retention)
    }

    /// The time of the nodes in milliseconds since 1970, as far as this client knows it.
    fn wall_clock(&self) -> u64 {
        self.core.nodes.tokens.micros(self.core.now()) / 1_000
    }

    /// The value, and how much longer it is remembered.
    pub(super) fn unexpired(&self, stored: Stored) -> Option<(Vec<u8>, Duration)> {
        let left = stored.expires.saturating_sub(self.wall_clock());
        let value = stored.value.filter(|_| left > 0)?;
        Some((value, Duration::from_millis(left)))
    }

    /// The error if too few nodes answered, or too few of them have been up for long enough.
    fn too_few(&self, answers: &Answers, trust: &Trust) -> Error {
        let (nodes, quorum) = (&self.core.nodes, self.core.nodes.quorum());
        let done = answers.done().count();
        let mut errors = answers.errors(nodes);
        if done < quorum {
            return Error::no_quorum(Some(self.key.given()), done, quorum, errors);
        }
        let mut waits = Vec::new();
        for (node, answer) in nodes.states.iter().zip(&answers.0) {
            let Some(answer) = answer.as_ref().ok().and_then(register_answer) else {
                continue;
            };
            let left = trust.left(answer.remembers_since);
            waits.push(left);
            if !left.is_zero() {
                let text = format!(
                    "started recently and may have forgotten a value of the register: no vote on older values for another {} s",
                    left.as_secs() + 1
                );
                errors.push(NodeError::new(node.name(), FaultKind::Quarantined, text));
            }
        }
        waits.sort_unstable();
        Error::forgotten(
            self.key.given(),
            quorum,
            waits.get(quorum - 1).copied(),
            errors,
        )
    }
}

fn register_answers(answers: &Answers) -> impl Iterator<Item = &RegisterAnswer> {
    answers.done().filter_map(register_answer)
}

fn register_answer(answer: &Answer) -> Option<&RegisterAnswer> {
    match &answer.reply {
        Reply::Register(answer) => Some(answer),
        _ => None,
    }
}
