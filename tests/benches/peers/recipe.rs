//! The commands of an uncontended cycle, as a server sees this crate send them: the floors send the same ones.

use std::time::Duration;

use redis::Cmd;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    time::timeout,
};

use crate::{contender, outcome::Outcome, raw::address};

/// The ttl of all contenders.
pub(crate) const TTL: Duration = Duration::from_secs(10);
const NAME: &str = "recorded-key";

/// An acquire and its release.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) acquire: Vec<Word>,
    pub(crate) release: Vec<Word>,
}

/// A word of a command.
#[derive(Clone, Debug)]
pub(crate) enum Word {
    Same(Vec<u8>),
    /// Has the key in it, with this before and after.
    Key(String, String),
    /// As long as this.
    Owner(usize),
    /// The token, and this much more.
    Token(u64),
}

/// What calls with several commands have in common.
#[derive(Clone, Debug)]
pub(crate) struct BatchRecipe {
    pub(crate) hash: Vec<u8>,
    pub(crate) retention: Vec<u8>,
    pub(crate) channel: Vec<u8>,
    pub(crate) ttl: Vec<u8>,
}

impl BatchRecipe {
    /// Watches acquires of this crate that go out together. Which ones do is a matter of luck, so it tries again.
    pub(crate) async fn record(urls: &[String]) -> Outcome<Self> {
        let redlock = contender::connect_ours(urls, true).await?;
        let mut lines = watch(urls).await?;
        for _ in 0..20 {
            let names = (0..64).map(|n| format!("{NAME}-{n}"));
            let locks = names.map(async |name| contender::ours_load(&redlock, &name).await);
            for guard in futures_util::future::join_all(locks).await {
                guard?.release().await?;
            }
            // A bound for all lines, since some come all the time.
            if let Ok(found) = timeout(Duration::from_millis(500), Self::find(&mut lines)).await {
                return found;
            }
        }
        Err("no call with several commands was seen".into())
    }

    async fn find(lines: &mut Lines<BufReader<TcpStream>>) -> Outcome<Self> {
        loop {
            let line = lines
                .next_line()
                .await?
                .ok_or("the server closed the connection")?;
            if let Some(recipe) = Self::of(&words(&line)) {
                return Ok(recipe);
            }
        }
    }

    /// The recipe, if a call consists of acquires only.
    fn of(words: &[Vec<u8>]) -> Option<Self> {
        let [name, hash, count, rest @ ..] = words else {
            return None;
        };
        let count: usize = std::str::from_utf8(count).ok()?.parse().ok()?;
        let [letters, retention, channel, _owner, ttl, ..] = rest.get(count..)? else {
            return None;
        };
        let is_batch = name.eq_ignore_ascii_case(b"EVALSHA")
            && letters.len() > 1
            && letters.iter().all(|letter| *letter == b'a');
        is_batch.then(|| Self {
            hash: hash.clone(),
            retention: retention.clone(),
            channel: channel.clone(),
            ttl: ttl.clone(),
        })
    }
}

/// What a server is sent from now on.
async fn watch(urls: &[String]) -> Outcome<Lines<BufReader<TcpStream>>> {
    let mut stream = TcpStream::connect(address(&urls[0])).await?;
    stream.write_all(b"MONITOR\r\n").await?;
    let mut lines = BufReader::new(stream).lines();
    lines
        .next_line()
        .await?
        .filter(|line| line == "+OK")
        .ok_or("the server does not let itself be watched")?;
    Ok(lines)
}

impl Recipe {
    /// Watches a cycle of this crate.
    pub(crate) async fn record(urls: &[String], fenced: bool) -> Outcome<Self> {
        let redlock = contender::connect_ours(urls, fenced).await?;
        // Scripts become known to the servers, which costs another command the first time.
        contender::ours_load(&redlock, "warm")
            .await?
            .release()
            .await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut lines = watch(urls).await?;
        let guard = contender::ours_load(&redlock, NAME).await?;
        let (owner, token) = (guard.owner().to_owned(), guard.token().get());
        guard.release().await?;
        let mut sent = Vec::new();
        while sent.len() < 2 {
            let line = timeout(Duration::from_secs(5), lines.next_line())
                .await
                .map_err(|_| "an acquire and a release were not both seen")??
                .ok_or("the server closed the connection")?;
            // What scripts call is not sent.
            if line.contains(NAME) && !line.contains(" lua] ") {
                let words = words(&line)
                    .into_iter()
                    .map(|word| Word::of(word, &owner, token));
                sent.push(words.collect::<Vec<_>>());
            }
        }
        match <[_; 2]>::try_from(sent) {
            Ok([acquire, release]) => Ok(Self { acquire, release }),
            Err(_) => Err("more than an acquire and a release".into()),
        }
    }

    /// By how much the tokens of a key have to grow from one cycle to the next.
    pub(crate) fn tokens(&self) -> u64 {
        let more = |word: &Word| {
            if let Word::Token(more) = word {
                *more
            } else {
                0
            }
        };
        self.acquire
            .iter()
            .chain(&self.release)
            .map(more)
            .max()
            .unwrap_or(0)
            + 1
    }
}

impl Word {
    fn of(bytes: Vec<u8>, owner: &str, token: u64) -> Self {
        if bytes == owner.as_bytes() {
            return Self::Owner(bytes.len());
        }
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return Self::Same(bytes);
        };
        if let Some((before, after)) = text.split_once(NAME) {
            return Self::Key(before.to_owned(), after.to_owned());
        }
        // A tombstone or the end of a block lies a little above.
        match text
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_sub(token))
        {
            Some(more) if token > 0 && more < 1_000_000 => Self::Token(more),
            _ => Self::Same(bytes),
        }
    }

    /// The word of a cycle.
    pub(crate) fn bytes(&self, key: &str, owner: u64, token: u64) -> Vec<u8> {
        match self {
            Self::Same(bytes) => bytes.clone(),
            Self::Key(before, after) => format!("{before}{key}{after}").into_bytes(),
            Self::Owner(length) => format!("{owner:0length$x}").into_bytes(),
            Self::Token(more) => (token + more).to_string().into_bytes(),
        }
    }
}

/// `words` as a command of the client library.
pub(crate) fn command(words: &[Word], key: &str, owner: u64, token: u64) -> Cmd {
    let mut command = Cmd::with_capacity(words.len(), 256);
    for word in words {
        match word {
            Word::Same(bytes) => command.arg(bytes.as_slice()),
            _ => command.arg(word.bytes(key, owner, token)),
        };
    }
    command
}

/// The quoted words of a line that a watched server tells.
fn words(line: &str) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut rest = line.bytes();
    while rest.by_ref().any(|byte| byte == b'"') {
        let mut word = Vec::new();
        while let Some(byte) = rest.next() {
            match byte {
                b'"' => break,
                b'\\' => word.push(match rest.next() {
                    Some(b'n') => b'\n',
                    Some(b'r') => b'\r',
                    Some(b't') => b'\t',
                    Some(b'a') => 7,
                    Some(b'b') => 8,
                    Some(b'x') => {
                        let mut digit = || {
                            rest.next()
                                .and_then(|digit| char::from(digit).to_digit(16))
                                .unwrap_or(0)
                        };
                        (digit() * 16 + digit()) as u8
                    }
                    other => other.unwrap_or(b'\\'),
                }),
                _ => word.push(byte),
            }
        }
        words.push(word);
    }
    words
}

/// Tokens of the floors begin here: sixteen digits, as those of our days.
pub(crate) fn token_now() -> u64 {
    1_000_000_000_000_000 + crate::meter::now() / 1_000
}
