//! The commands of the server, except for its scripts.

use super::{Channels, Reply, Server, Wakers};
use crate::{
    command::Script,
    memory::effects::{self, Args, Raised, Redis},
};

/// The words of a request, with the command first.
type Words<'a> = &'a [&'a [u8]];

impl Server {
    /// Carries out one request. `None` if the reply was sent already, as a push.
    pub(super) fn carry_out(
        &mut self,
        number: u64,
        words: Words<'_>,
        wakers: &mut Wakers,
    ) -> Option<Reply> {
        let command = words.first().copied().unwrap_or_default();
        if let Some(refused) = self.condition.refuses(command) {
            return Some(error(refused));
        }
        #[cfg(feature = "cluster")]
        if self.cluster.is_some() {
            if is(command, "CLUSTER") {
                return Some(self.cluster_command(words));
            }
            if let Some(redirected) = self.redirected(number, words) {
                return Some(redirected);
            }
        }
        // Most requests are one of these two.
        if is(command, "EVALSHA") {
            return Some(self.eval_by_hash(words, wakers));
        }
        if is(command, "EVAL") {
            return Some(self.eval(words, wakers));
        }
        if is(command, "SUBSCRIBE") {
            self.subscribe(number, words, wakers);
            return None;
        }
        let name = String::from_utf8_lossy(command).to_ascii_uppercase();
        Some(match name.as_str() {
            "HELLO" => self.hello(number, words),
            "AUTH" | "SELECT" | "ASKING" => Reply::OK,
            "CLIENT" => self.client(number, words),
            // A server that refuses writes answers so, for the sake of monitors.
            "PING" if self.condition.cannot_save => error(Raised::CANNOT_SAVE.0),
            "PING" => match words.get(1) {
                Some(text) => Reply::bulk(*text),
                None => Reply::Status("PONG"),
            },
            "INFO" => self.info(words),
            "ROLE" => Reply::Array(vec![Reply::bulk(self.role())]),
            "TIME" => self.time(),
            "CONFIG" => config(words),
            "SCRIPT" => self.script(words),
            "FLUSHALL" | "FLUSHDB" => match self.redis(wakers).writes(false) {
                Ok(()) => {
                    self.flush(wakers);
                    Reply::OK
                }
                Err(Raised(text)) => error(text),
            },
            _ => self.data_command(&name, words, wakers).unwrap_or_else(|| {
                error(format!(
                    "ERR unknown command '{name}', with args beginning with: "
                ))
            }),
        })
    }

    /// Empties the data, and reports that to the clients that track it.
    pub(crate) fn flush(&mut self, wakers: &mut Wakers) {
        self.store.clear();
        Channels {
            sessions: &mut self.sessions,
            wakers,
        }
        .emptied();
    }

    /// Forgets the sources of all scripts.
    pub(crate) fn forget_scripts(&mut self) {
        self.scripts = 0;
    }

    fn role(&self) -> &'static str {
        if self.process.is_replica() {
            "slave"
        } else {
            "master"
        }
    }

    fn hello(&mut self, number: u64, words: Words<'_>) -> Reply {
        let version_3 = match words.get(1) {
            None | Some(&b"2") => false,
            Some(&b"3") => true,
            Some(_) => return error("NOPROTO unsupported protocol version"),
        };
        if let Some(session) = self.sessions.get_mut(&number) {
            session.version_3 = version_3;
        }
        Reply::Map(vec![
            ("server", Reply::bulk("redis")),
            ("version", Reply::bulk("memory")),
            ("proto", Reply::Int(if version_3 { 3 } else { 2 })),
            ("id", Reply::Int(i64::try_from(number).unwrap_or(i64::MAX))),
            ("mode", Reply::bulk("standalone")),
            ("role", Reply::bulk(self.role())),
            ("modules", Reply::Array(Vec::new())),
        ])
    }

    fn client(&mut self, number: u64, words: Words<'_>) -> Reply {
        if words.get(1).is_some_and(|word| is(word, "TRACKING"))
            && let Some(session) = self.sessions.get_mut(&number)
        {
            session.tracks = words.get(2).is_some_and(|word| is(word, "ON"));
        }
        Reply::OK
    }

    fn info(&self, words: Words<'_>) -> Reply {
        let wants = |section| words.len() < 2 || words[1..].iter().any(|word| is(word, section));
        let mut text = String::new();
        if wants("server") {
            text += &self.process.server();
        }
        if wants("replication") {
            text += &self.process.replication();
        }
        Reply::bulk(text)
    }

    fn time(&mut self) -> Reply {
        let now = self.wall_clock();
        let part = |number: u64| Reply::bulk(number.to_string());
        Reply::Array(vec![part(now / 1_000_000), part(now % 1_000_000)])
    }

    fn subscribe(&mut self, number: u64, words: Words<'_>, wakers: &mut Wakers) {
        let Some(session) = self.sessions.get_mut(&number) else {
            return;
        };
        for channel in words.iter().skip(1) {
            if !session.listens_to(channel) {
                session.channels.push((*channel).into());
            }
            let count = i64::try_from(session.channels.len()).unwrap_or(i64::MAX);
            let push = Reply::Push(vec![
                Reply::bulk("subscribe"),
                Reply::bulk(*channel),
                Reply::Int(count),
            ]);
            session.say(&push, wakers);
        }
    }
}

/// Scripts.
impl Server {
    fn knows(&self, script: Script) -> bool {
        self.scripts & 1 << script as u64 != 0
    }

    fn learn(&mut self, script: Script) {
        self.scripts |= 1 << script as u64;
    }

    fn script(&mut self, words: Words<'_>) -> Reply {
        let known = |hash: &[u8]| effects::by_hash(hash).is_some_and(|script| self.knows(script));
        match words {
            [_, word, source] if is(word, "LOAD") => match effects::by_source(source) {
                Some(script) => {
                    self.learn(script);
                    Reply::bulk(script.hash())
                }
                None => unknown_source(),
            },
            [_, word, hashes @ ..] if is(word, "EXISTS") => {
                let exist = hashes.iter().map(|hash| Reply::Int(i64::from(known(hash))));
                Reply::Array(exist.collect())
            }
            [_, word, ..] if is(word, "FLUSH") => {
                self.forget_scripts();
                Reply::OK
            }
            _ => error("ERR unknown subcommand of SCRIPT"),
        }
    }

    fn eval_by_hash(&mut self, words: Words<'_>, wakers: &mut Wakers) -> Reply {
        let hash = words.get(1).copied().unwrap_or_default();
        match effects::by_hash(hash).filter(|script| self.knows(*script)) {
            Some(script) => self.run(script, words, wakers),
            None => error("NOSCRIPT No matching script. Please use EVAL."),
        }
    }

    fn eval(&mut self, words: Words<'_>, wakers: &mut Wakers) -> Reply {
        let source = words.get(1).copied().unwrap_or_default();
        match effects::by_source(source) {
            Some(script) => {
                self.learn(script);
                self.run(script, words, wakers)
            }
            None => unknown_source(),
        }
    }

    fn run(&mut self, script: Script, words: Words<'_>, wakers: &mut Wakers) -> Reply {
        let rest = words.get(3..).unwrap_or_default();
        let count = words
            .get(2)
            .and_then(|count| std::str::from_utf8(count).ok()?.parse().ok());
        let Some((keys, args)) = count.and_then(|count| rest.split_at_checked(count)) else {
            return error("ERR Number of keys can't be greater than number of args");
        };
        if matches!(script, Script::Batch | Script::BatchStrict) {
            self.batches += 1;
        }
        let effect = effects::effect(script);
        match effect(&mut self.redis(wakers), Args(keys), Args(args)) {
            Ok(reply) => reply,
            Err(Raised(text)) => error(text),
        }
    }

    pub(crate) fn redis<'a>(&'a mut self, wakers: &'a mut Wakers) -> Redis<'a> {
        let time = self.epoch.saturating_add(self.store.now().micros());
        let channels = Channels {
            sessions: &mut self.sessions,
            wakers,
        };
        Redis::new(
            &mut self.store,
            channels,
            self.condition,
            self.process.is_replica(),
            time,
        )
    }
}

fn config(words: Words<'_>) -> Reply {
    match words {
        [_, get, name] if is(get, "GET") && is(name, "maxmemory-policy") => {
            Reply::Map(vec![("maxmemory-policy", Reply::bulk("noeviction"))])
        }
        [_, get, ..] if is(get, "GET") => Reply::Map(Vec::new()),
        _ => Reply::OK,
    }
}

fn unknown_source() -> Reply {
    error("ERR a node in memory carries out the scripts of this crate only")
}

pub(super) fn error(text: impl Into<String>) -> Reply {
    Reply::Error(text.into())
}

pub(super) fn is(word: &[u8], name: &str) -> bool {
    word.eq_ignore_ascii_case(name.as_bytes())
}
