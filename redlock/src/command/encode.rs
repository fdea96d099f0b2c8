//! The encoder of commands: it writes straight into the buffer that a connection sends next.

use std::time::Duration;

use super::{Form, Script};
use crate::resp::CommandWriter;

/// What all commands on one connection have in common.
#[derive(Debug)]
pub(crate) struct Session {
    /// How long a fence is kept.
    pub(crate) retention: Duration,
    /// The prefix of the channels of inboxes.
    pub(crate) channel: String,
    /// The marker of the strict restart guard, if it is on.
    pub(crate) marker: Option<Marker>,
}

/// The marker of the strict restart guard for the process at the other end of a connection.
#[derive(Debug)]
pub(crate) struct Marker {
    pub(crate) key: String,
    pub(crate) quarantine_key: String,
    pub(crate) value: String,
    pub(crate) guard_time: Duration,
}

/// A key of a script: one text, or parts that are joined as they are written.
pub(super) trait RedisKey {
    fn parts(&self) -> [&str; 3];
}

impl<T: AsRef<str> + ?Sized> RedisKey for &T {
    fn parts(&self) -> [&str; 3] {
        whole(self.as_ref())
    }
}

impl RedisKey for [&str; 3] {
    fn parts(&self) -> [&str; 3] {
        *self
    }
}

/// A key that is one text, beside others that are parts.
pub(super) fn whole(key: &str) -> [&str; 3] {
    [key, "", ""]
}

/// Writes a script or a plain command with its keys and arguments.
pub(super) struct Encoder<'a, 'out> {
    command: &'a mut CommandWriter<'out>,
    form: Form,
    session: &'a Session,
    /// The marker whose keys were written, and whose value is not.
    marked: Option<&'a Marker>,
}

impl<'a, 'out> Encoder<'a, 'out> {
    pub(super) fn new(
        command: &'a mut CommandWriter<'out>,
        form: Form,
        session: &'a Session,
    ) -> Self {
        Self {
            command,
            form,
            session,
            marked: None,
        }
    }

    pub(super) fn session(&self) -> &'a Session {
        self.session
    }

    pub(super) fn arg(&mut self, arg: impl AsRef<[u8]>) -> &mut Self {
        self.command.arg(arg);
        self
    }

    pub(super) fn args<A: AsRef<[u8]>>(&mut self, args: impl IntoIterator<Item = A>) -> &mut Self {
        self.command.args(args);
        self
    }

    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        self.command.number(number);
        self
    }

    pub(super) fn millis(&mut self, duration: Duration) -> &mut Self {
        self.number(millis(duration))
    }

    pub(super) fn channel(&mut self) -> &mut Self {
        let session = self.session;
        self.arg(&session.channel)
    }

    pub(super) fn retention(&mut self) -> &mut Self {
        self.millis(self.session.retention)
    }

    /// A token and the retention of the fence, if there is a token.
    pub(super) fn fence(&mut self, token: Option<u64>) -> &mut Self {
        match token {
            Some(token) => self.number(token).retention(),
            None => self,
        }
    }

    /// A script and its keys.
    pub(super) fn script(&mut self, script: Script, keys: &[impl RedisKey]) -> &mut Self {
        self.script_with(script, keys, None)
    }

    /// A script and its keys: `strict` under the strict restart guard, with the keys of the marker. The marker itself
    /// comes last, by [`marker`](Self::marker).
    pub(super) fn guarded_script(
        &mut self,
        script: Script,
        strict: Script,
        keys: &[impl RedisKey],
    ) -> &mut Self {
        match &self.session.marker {
            Some(marker) => self.script_with(strict, keys, Some(marker)),
            None => self.script(script, keys),
        }
    }

    /// The value of the marker and the guard time, after a [`guarded_script`](Self::guarded_script).
    pub(super) fn marker(&mut self) -> &mut Self {
        match self.marked.take() {
            Some(marker) => self.arg(&marker.value).millis(marker.guard_time),
            None => self,
        }
    }

    fn key(&mut self, key: &impl RedisKey) -> &mut Self {
        self.command.joined(key.parts());
        self
    }

    fn keys(&mut self, keys: &[impl RedisKey]) -> &mut Self {
        for key in keys {
            self.key(key);
        }
        self
    }

    fn script_with(
        &mut self,
        script: Script,
        keys: &[impl RedisKey],
        marker: Option<&'a Marker>,
    ) -> &mut Self {
        match self.form {
            Form::Hash => self.args(["EVALSHA", script.hash()]),
            Form::Source => self.args(["EVAL", script.source()]),
            Form::Importing => self.args(["EVAL", &script.importing_source()]),
        };
        let count = keys.len() as u64 + 2 * u64::from(marker.is_some());
        match keys {
            [first, rest @ ..] if self.form == Form::Importing => {
                self.number(1).key(first).number(count - 1).keys(rest)
            }
            _ => self.number(count).keys(keys),
        };
        if let Some(marker) = marker {
            self.args([&marker.key, &marker.quarantine_key]);
        }
        self.marked = marker;
        self
    }
}

/// The keys. The last one, the fence, only if the lock has one.
pub(super) fn fenced<K: RedisKey>(keys: &[K], is_fenced: bool) -> &[K] {
    &keys[..keys.len() - usize::from(!is_fenced)]
}

/// Whole milliseconds, at least one: Redis refuses a `PX` of 0.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis())
        .unwrap_or(u64::MAX)
        .max(1)
}
