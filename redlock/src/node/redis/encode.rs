//! Calls as Redis commands.

use std::{sync::OnceLock, time::Duration};

use redis::{Cmd, Script};

use super::Step;
use crate::node::{Call, Strict, What};

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
    acquire = "scripts/acquire.lua";
    acquire_strict = "scripts/strict.lua" "scripts/acquire.lua";
    extend = "scripts/extend.lua";
    extend_strict = "scripts/strict.lua" "scripts/extend.lua";
    release = "scripts/wake.lua" "scripts/release.lua";
    leave = "scripts/wake.lua" "scripts/leave.lua";
    settle = "scripts/settle.lua";
    force = "scripts/force.lua";
    look = "scripts/look.lua";
    mark = "scripts/strict.lua" "scripts/mark.lua";
    trust = "scripts/trust.lua";
}

/// What all commands on one connection have in common.
#[derive(Debug)]
pub(super) struct Manner {
    retention: String,
    channel: String,
    marking: Option<Marking>,
}

/// The marker of the strict restart guard, for the process at the other end.
#[derive(Debug)]
struct Marking {
    strict: Strict,
    marker: String,
    guard: String,
}

impl Manner {
    pub(super) fn new(
        retention: Duration,
        channel: &str,
        strict: Option<&Strict>,
        run_id: &str,
    ) -> Self {
        Self {
            channel: channel.to_owned(),
            retention: millis(retention),
            marking: strict.map(|strict| Marking {
                marker: strict.marker(run_id),
                guard: millis(strict.guard_time),
                strict: strict.clone(),
            }),
        }
    }
}

/// The one command that carries `call`, at this step of it.
pub(super) fn command(call: &Call, step: Step, manner: &Manner) -> Cmd {
    let key = &call.key;
    if step == Step::AskLeft {
        return plain("PTTL", &[key.lock().as_bytes()]);
    }
    let by_source = step == Step::BySource;
    let retention = manner.retention.as_bytes();
    let marking = manner.marking.as_ref();
    let (name, fence, waiters) = (key.lock(), key.fence(), key.waiters());
    let eval = |script: &(String, &str)| Eval::new(script, by_source);
    match &call.what {
        What::Acquire {
            owner,
            ttl,
            token: None,
            ..
        } => {
            let ttl = millis(*ttl);
            let args = [
                key.lock().as_bytes(),
                owner.as_bytes(),
                b"NX",
                b"PX",
                ttl.as_bytes(),
            ];
            return plain("SET", &args);
        }
        What::Acquire {
            owner,
            ttl,
            token: Some(token),
            last,
            inbox,
        } => {
            let script = if marking.is_some() {
                acquire_strict()
            } else {
                acquire()
            };
            eval(script)
                .keys(&[name, fence, waiters], marking)
                .arg(owner.as_bytes())
                .arg(millis(*ttl).as_bytes())
                .arg(token.to_string().as_bytes())
                .arg(retention)
                .arg(last.unwrap_or(*token).to_string().as_bytes())
                .arg(
                    inbox
                        .as_ref()
                        .map_or(&b""[..], |inbox| inbox.name.as_bytes()),
                )
                .arg(
                    inbox
                        .as_ref()
                        .map_or(0, |inbox| inbox.since)
                        .to_string()
                        .as_bytes(),
                )
                .marked(marking)
        }
        What::Extend { owner, ttl, token } => {
            let marking = marking.filter(|_| token.is_some());
            let script = if marking.is_some() {
                extend_strict()
            } else {
                extend()
            };
            eval(script)
                .keys(fenced(&[name, fence], token.is_some()), marking)
                .arg(owner.as_bytes())
                .arg(millis(*ttl).as_bytes())
                .fenced(*token, retention)
                .marked(marking)
        }
        What::Release {
            owner, tombstone, ..
        } => eval(release())
            .keys(fenced(&[name, waiters, fence], tombstone.is_some()), None)
            .arg(owner.as_bytes())
            .arg(manner.channel.as_bytes())
            .fenced(*tombstone, retention),
        What::Settle {
            owner,
            next,
            window,
            tombstone,
            ..
        } => eval(settle())
            .keys(fenced(&[name, fence], tombstone.is_some()), None)
            .arg(owner.as_bytes())
            .arg(next.as_bytes())
            .arg(millis(*window).as_bytes())
            .fenced(*tombstone, retention),
        What::Leave { inbox, by } => eval(leave())
            .keys(&[waiters], None)
            .arg(inbox.as_bytes())
            .arg(manner.channel.as_bytes())
            .arg(format!("{by}{name}").as_bytes()),
        What::Force => eval(force()).keys(&[name, fence], None).arg(retention),
        What::Look => eval(look()).keys(&[name, fence], None),
        What::Ping => match marking {
            Some(marking) => eval(mark()).marker_keys(marking).marked(Some(marking)),
            None => return plain("PING", &[]),
        },
        What::Trust => match marking {
            Some(marking) => eval(trust())
                .marker_keys(marking)
                .arg(marking.marker.as_bytes()),
            None => return plain("PING", &[]),
        },
    }
    .into()
}

/// The keys, the last of them only where there is a fence.
fn fenced<'a, 'k>(keys: &'a [&'k str], fenced: bool) -> &'a [&'k str] {
    if fenced {
        keys
    } else {
        &keys[..keys.len() - 1]
    }
}

fn plain(name: &str, args: &[&[u8]]) -> Cmd {
    let mut command = redis::cmd(name);
    for arg in args {
        command.arg(*arg);
    }
    command
}

/// Whole milliseconds, at least one: Redis refuses a `PX` of 0.
fn millis(duration: Duration) -> String {
    duration.as_millis().max(1).to_string()
}

/// A script with its keys and arguments.
struct Eval(Cmd);

impl Eval {
    fn new(script: &(String, &str), by_source: bool) -> Self {
        let mut command = redis::cmd(if by_source { "EVAL" } else { "EVALSHA" });
        command.arg(if by_source { script.1 } else { &script.0 });
        Self(command)
    }

    fn keys(mut self, keys: &[&str], marking: Option<&Marking>) -> Self {
        self.0.arg(keys.len() + 2 * usize::from(marking.is_some()));
        for key in keys {
            self.0.arg(*key);
        }
        match marking {
            Some(marking) => self.marker_names(marking),
            None => self,
        }
    }

    fn marker_keys(mut self, marking: &Marking) -> Self {
        self.0.arg(2);
        self.marker_names(marking)
    }

    fn marker_names(self, marking: &Marking) -> Self {
        self.arg(marking.strict.marker_key.as_bytes())
            .arg(marking.strict.quarantine_key.as_bytes())
    }

    fn arg(mut self, arg: &[u8]) -> Self {
        self.0.arg(arg);
        self
    }

    fn fenced(self, token: Option<u64>, retention: &[u8]) -> Self {
        match token {
            Some(token) => self.arg(token.to_string().as_bytes()).arg(retention),
            None => self,
        }
    }

    fn marked(self, marking: Option<&Marking>) -> Self {
        match marking {
            Some(marking) => self
                .arg(marking.marker.as_bytes())
                .arg(marking.guard.as_bytes()),
            None => self,
        }
    }
}

impl From<Eval> for Cmd {
    fn from(eval: Eval) -> Self {
        eval.0
    }
}
