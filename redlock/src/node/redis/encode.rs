//! Calls as Redis commands, written straight into what a connection sends next.

use std::{sync::OnceLock, time::Duration};

use redis::Script;

use super::{
    Step,
    resp::{self, CommandWriter, Form},
};
use crate::node::{Command, Request, Strict, lists::Announcement};

macro_rules! scripts {
    ($($name:ident = $($file:literal)+;)*) => {
        $(
            fn $name() -> &'static (String, &'static str) {
                static SCRIPT: OnceLock<(String, &str)> = OnceLock::new();
                SCRIPT.get_or_init(|| {
                    let source = concat!($(include_str!($file)),+);
                    (Script::new(source).get_hash().to_owned(), source)
                })
            }
        )*
    };
}

scripts! {
    acquire = "../../command/acquire.lua";
    acquire_strict = "../../command/strict.lua" "../../command/acquire.lua";
    left = "../../command/left.lua";
    extend = "../../command/put.lua" "../../command/extend.lua";
    extend_strict = "../../command/strict.lua" "../../command/put.lua" "../../command/extend.lua";
    release = "../../command/wake.lua" "../../command/put.lua" "../../command/release.lua";
    join_waitlist = "../../command/join_waitlist.lua";
    leave = "../../command/wake.lua" "../../command/leave_waitlist.lua";
    cool_down = "../../command/put.lua" "../../command/cool_down.lua";
    settle_strict = "../../command/strict.lua" "../../command/put.lua" "../../command/cool_down.lua";
    force = "../../command/wake.lua" "../../command/put.lua" "../../command/force_release.lua";
    look = "../../command/inspect.lua";
    mark = "../../command/strict.lua" "../../command/mark.lua";
    trust = "../../command/trust.lua";
    introduce = "../../command/introduce.lua";
}

/// What all commands on one connection have in common.
#[derive(Debug)]
pub(super) struct Manner {
    /// In milliseconds.
    retention: u64,
    channel: String,
    marking: Option<Marking>,
}

/// The marker of the strict restart guard, for the process at the other end.
#[derive(Debug)]
struct Marking {
    strict: Strict,
    marker: String,
    /// In milliseconds.
    guard: u64,
}

impl Manner {
    pub(super) fn new(
        retention: Duration,
        channel: &str,
        strict: Option<&Strict>,
        run_id: &str,
        epoch: Option<u64>,
    ) -> Self {
        Self {
            channel: channel.to_owned(),
            retention: millis(retention),
            marking: strict.map(|strict| Marking {
                marker: strict.marker(run_id, epoch),
                guard: millis(match epoch {
                    Some(_) => strict.guard_time_after_a_move,
                    None => strict.guard_time,
                }),
                strict: strict.clone(),
            }),
        }
    }
}

/// Writes an announcement, always with the script's source: whatever is written behind it is answered behind it.
pub(super) fn introduction(record: &str, said: &Announcement, out: &mut Vec<u8>) {
    resp::command(out, |command| {
        command.form = Form::Source;
        command
            .script(introduce())
            .keys(&[record], None)
            .args([said.fresh.as_str(), &said.known])
            .number(said.size as u64)
            .arg(said.others.join(","))
            .number(u64::from(said.counts_this))
            .arg(&said.names)
            .number(if said.lifetime.is_zero() {
                0
            } else {
                millis(said.lifetime)
            })
            .number(u64::from(said.renames));
    });
}

/// Tells calls of different scripts apart, by numbers below 31.
pub(super) fn kind(command: &Command) -> u32 {
    match command {
        Command::Acquire { .. } => 0,
        Command::Extend { .. } => 1,
        Command::Release { .. } => 2,
        Command::CoolDown { .. } => 3,
        Command::JoinWaitlist { .. } => 4,
        Command::LeaveWaitlist { .. } => 5,
        Command::ForceRelease { .. } => 6,
        Command::Inspect => 7,
        Command::Ping => 8,
        Command::Trust => 9,
    }
}

/// Writes the one command that carries `request`, at this step of it.
pub(super) fn command(request: &Request, step: Step, manner: &Manner, out: &mut Vec<u8>) {
    resp::command(out, |command| write(request, step, manner, command));
}

fn write(request: &Request, step: Step, manner: &Manner, command: &mut CommandWriter<'_>) {
    let key = &request.key;
    let name = key.lock();
    command.form = match step {
        Step::First | Step::AskLeft => Form::Hash,
        Step::BySource | Step::AskLeftBySource => Form::Source,
        Step::Importing | Step::ImportingAskLeft => Form::Importing,
    };
    if step.asks_left() {
        command.script(left()).keys(&[name], None);
        return;
    }
    let retention = manner.retention;
    let marking = manner.marking.as_ref();
    match &request.command {
        Command::Acquire {
            owner,
            ttl,
            token: None,
            ..
        } => {
            command.args(["SET", name]).arg(owner.as_bytes());
            command.args(["NX", "PX"]).number(millis(*ttl));
        }
        Command::Acquire {
            owner,
            ttl,
            token: Some(token),
            last,
            inbox,
        } => {
            let script = match marking {
                Some(_) => acquire_strict(),
                None => acquire(),
            };
            let (inbox, since) = inbox
                .as_ref()
                .map_or(("", 0), |inbox| (&*inbox.name, inbox.since));
            command
                .script(script)
                .keys(&[name, key.fence(), key.waiters()], marking)
                .arg(owner.as_bytes())
                .number(millis(*ttl))
                .number(*token)
                .number(retention)
                .number(last.unwrap_or(*token))
                .arg(inbox)
                .number(since)
                .marked(marking);
        }
        Command::Extend { owner, ttl, token } => {
            let marking = marking.filter(|_| token.is_some());
            let script = match marking {
                Some(_) => extend_strict(),
                None => extend(),
            };
            command
                .script(script)
                .keys(fenced(&[name, key.fence()], token.is_some()), marking)
                .arg(owner.as_bytes())
                .number(millis(*ttl))
                .fenced(*token, retention)
                .marked(marking);
        }
        Command::Release {
            owner, tombstone, ..
        } => {
            let keys = [name, key.waiters(), key.fence()];
            command
                .script(release())
                .keys(fenced(&keys, tombstone.is_some()), None)
                .arg(owner.as_bytes())
                .arg(&manner.channel)
                .fenced(*tombstone, retention);
        }
        Command::CoolDown {
            owner,
            next,
            window,
            tombstone,
            ..
        } => {
            let marking = marking.filter(|_| tombstone.is_some());
            let script = match marking {
                Some(_) => settle_strict(),
                None => cool_down(),
            };
            let keys = [name, key.waiters(), key.fence()];
            command
                .script(script)
                .keys(fenced(&keys, tombstone.is_some()), marking)
                .arg(owner.as_bytes())
                .arg(next.as_bytes())
                .number(millis(*window))
                .arg(&manner.channel)
                .fenced(*tombstone, retention)
                .marked(marking);
        }
        Command::JoinWaitlist { inbox } => {
            command
                .script(join_waitlist())
                .keys(&[key.waiters()], None)
                .arg(&*inbox.name)
                .number(inbox.since);
        }
        Command::LeaveWaitlist { inbox, by } => {
            command
                .script(leave())
                .keys(&[key.waiters()], None)
                .arg(&**inbox)
                .arg(&manner.channel)
                .args([by.as_str(), name]);
        }
        Command::ForceRelease { by, from } => {
            command
                .script(force())
                .keys(&[name, key.fence(), key.waiters()], None)
                .number(retention)
                .arg(&manner.channel)
                .arg(by.as_bytes())
                .args(from.iter());
        }
        Command::Inspect => {
            command.script(look()).keys(&[name, key.fence()], None);
        }
        Command::Ping => match marking {
            Some(_) => {
                command.script(mark()).keys(&[], marking).marked(marking);
            }
            None => {
                command.arg("PING");
            }
        },
        Command::Trust => match marking {
            Some(marking) => {
                command
                    .script(trust())
                    .keys(&[], Some(marking))
                    .arg(&marking.marker);
            }
            None => {
                command.arg("PING");
            }
        },
    }
}

/// The keys, the last of them only where there is a fence.
fn fenced<'a, 'k>(keys: &'a [&'k str], fenced: bool) -> &'a [&'k str] {
    if fenced {
        keys
    } else {
        &keys[..keys.len() - 1]
    }
}

/// Whole milliseconds, at least one: Redis refuses a `PX` of 0.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis())
        .unwrap_or(u64::MAX)
        .max(1)
}

/// A script with its keys and arguments.
impl CommandWriter<'_> {
    fn script(&mut self, script: &(String, &str)) -> &mut Self {
        match self.form {
            Form::Hash => self.args(["EVALSHA", &script.0]),
            Form::Source => self.args(["EVAL", script.1]),
            Form::Importing => {
                let source = [include_str!("../../command/importing.lua"), script.1].concat();
                self.args(["EVAL", &source])
            }
        }
    }

    fn keys(&mut self, keys: &[&str], marking: Option<&Marking>) -> &mut Self {
        let count = keys.len() as u64 + 2 * u64::from(marking.is_some());
        match keys {
            [first, rest @ ..] if self.form == Form::Importing => {
                self.number(1).arg(first).number(count - 1).args(rest)
            }
            _ => self.number(count).args(keys),
        };
        if let Some(Marking { strict, .. }) = marking {
            self.args([&strict.marker_key, &strict.quarantine_key]);
        }
        self
    }

    fn fenced(&mut self, token: Option<u64>, retention: u64) -> &mut Self {
        match token {
            Some(token) => self.number(token).number(retention),
            None => self,
        }
    }

    fn marked(&mut self, marking: Option<&Marking>) -> &mut Self {
        match marking {
            Some(marking) => self.arg(&marking.marker).number(marking.guard),
            None => self,
        }
    }
}
