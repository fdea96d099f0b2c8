//! Who runs: this crate, its peers, and the floors.

mod floor;
mod ours;
mod peer;
mod rslock;

use std::{future::Future, pin::Pin, time::Duration};

use crate::{
    load::{Load, Run, drive},
    outcome::Outcome,
    raw,
    recipe::{BatchRecipe, Recipe},
};

pub(crate) use ours::{connect as connect_ours, load as ours_load};

/// One user of a lock.
pub(crate) trait Session: Send + 'static {
    /// Acquires the lock of `key`, awaits `body` under it, releases it. Returns the fencing token, 0 where there is
    /// none.
    fn cycle(
        &mut self,
        key: &str,
        body: impl Future<Output = ()> + Send,
    ) -> impl Future<Output = Outcome<u64>> + Send;
}

type Running = Pin<Box<dyn Future<Output = Outcome<Run>> + Send>>;

/// One that loads can be run on.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    run: Box<dyn Fn(Load) -> Running + Send + Sync>,
}

/// Which contender.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// This crate as it comes: with fencing tokens.
    Fenced,
    /// This crate without fencing tokens, which is what the peers do.
    Plain,
    /// Readers of this crate's read/write lock.
    Readers,
    /// This crate's semaphore, with so many permits.
    Permits(u32),
    /// `rslock`, with this retry delay.
    Rslock(Duration),
    /// The `redlock` of crates.io, with this retry delay.
    Peer(Duration),
    /// A connection of the redis crate for each node, the same commands, a majority, and nothing else.
    RedisFenced,
    RedisPlain,
    /// Sockets and the same commands in batches: no runtime, no tasks, one thread.
    RawFenced,
    RawPlain,
    /// The same with several commands in one script call.
    RawBatched,
    /// The same in one task of the runtime.
    RuntimeFenced,
}

impl Kind {
    /// The peers with their own default retry delay.
    pub(crate) const RSLOCK: Self = Self::Rslock(Duration::from_millis(200));
    pub(crate) const PEER: Self = Self::Peer(Duration::from_millis(200));

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fenced => "this crate, fenced",
            Self::Plain => "this crate, plain",
            Self::Readers => "this crate, readers",
            Self::Permits(_) => "this crate, permits",
            Self::Rslock(_) => "rslock",
            Self::Peer(_) => "redlock 2",
            Self::RedisFenced => "redis crate, fenced",
            Self::RedisPlain => "redis crate, plain",
            Self::RawFenced => "raw sockets, fenced",
            Self::RawPlain => "raw sockets, plain",
            Self::RawBatched => "raw sockets, fenced, batched scripts",
            Self::RuntimeFenced => "raw tokio, fenced",
        }
    }

    /// Its name in the command of a child process.
    pub(crate) fn word(self) -> String {
        match self {
            Self::Fenced => "fenced".to_owned(),
            Self::Plain => "plain".to_owned(),
            Self::Rslock(delay) => format!("rslock/{}", delay.as_millis()),
            Self::Peer(delay) => format!("peer/{}", delay.as_millis()),
            Self::Readers
            | Self::Permits(_)
            | Self::RedisFenced
            | Self::RedisPlain
            | Self::RawFenced
            | Self::RawPlain
            | Self::RawBatched
            | Self::RuntimeFenced => self.name().replace([',', ' '], "-"),
        }
    }

    pub(crate) fn from_word(word: &str) -> Outcome<Self> {
        let delay = |text: &str| Outcome::Ok(Duration::from_millis(text.parse()?));
        match word.split_once('/') {
            None if word == "fenced" => Ok(Self::Fenced),
            None if word == "plain" => Ok(Self::Plain),
            Some(("rslock", millis)) => Ok(Self::Rslock(delay(millis)?)),
            Some(("peer", millis)) => Ok(Self::Peer(delay(millis)?)),
            _ => Err(format!("no contender for a child process is called {word}").into()),
        }
    }

    /// Connects, and warms up.
    pub(crate) async fn connect(self, urls: &[String]) -> Outcome<Contender> {
        let contender = match self {
            Self::Fenced | Self::Plain => {
                let ours = ours::connect(urls, self == Self::Fenced).await?;
                Contender::of(self, move || ours.clone())
            }
            Self::Readers => {
                let readers = ours::Readers(ours::connect(urls, true).await?);
                Contender::of(self, move || readers.clone())
            }
            Self::Permits(count) => {
                let permits = ours::Permits(ours::connect(urls, true).await?, count);
                Contender::of(self, move || permits.clone())
            }
            Self::Rslock(delay) => {
                let manager = rslock::connect(urls, delay);
                Contender::of(self, move || manager.clone())
            }
            Self::Peer(delay) => {
                let manager = peer::connect(urls, delay);
                Contender::of(self, move || manager.clone())
            }
            Self::RedisFenced | Self::RedisPlain => {
                let floor = floor::Floor::connect(
                    urls,
                    Recipe::record(urls, self == Self::RedisFenced).await?,
                )
                .await?;
                Contender::of(self, move || floor.session())
            }
            Self::RawFenced | Self::RawPlain | Self::RawBatched => {
                let recipe = Recipe::record(urls, self != Self::RawPlain).await?;
                let batches = match self {
                    Self::RawBatched => Some(BatchRecipe::record(urls).await?),
                    _ => None,
                };
                let floor = raw::Sockets::connect(urls, recipe, batches)?;
                Contender {
                    name: self.name(),
                    run: Box::new(move |load| Box::pin(floor.clone().run(load))),
                }
            }
            Self::RuntimeFenced => {
                let floor = raw::Streams::connect(urls, Recipe::record(urls, true).await?).await?;
                Contender {
                    name: self.name(),
                    run: Box::new(move |load| Box::pin(floor.clone().run(load))),
                }
            }
        };
        Ok(contender)
    }
}

impl Contender {
    fn of<S: Session>(kind: Kind, session: impl Fn() -> S + Clone + Send + Sync + 'static) -> Self {
        let run = move |load| -> Running {
            let session = session.clone();
            Box::pin(async move { drive(session, &load).await })
        };
        Self {
            name: kind.name(),
            run: Box::new(run),
        }
    }

    pub(crate) async fn run(&self, load: &Load) -> Outcome<Run> {
        (self.run)(load.clone())
            .await
            .map_err(|error| format!("{}: {error}", self.name).into())
    }
}

/// Connects all of `kinds`.
pub(crate) async fn connect(kinds: &[Kind], urls: &[String]) -> Outcome<Vec<Contender>> {
    let mut contenders = Vec::with_capacity(kinds.len());
    for kind in kinds {
        contenders.push(kind.connect(urls).await?);
    }
    Ok(contenders)
}

/// The contenders of repetition `rep`: each time another one begins.
pub(crate) fn in_turn(contenders: &[Contender], rep: usize) -> impl Iterator<Item = &Contender> {
    let first = rep % contenders.len().max(1);
    contenders[first..].iter().chain(&contenders[..first])
}
