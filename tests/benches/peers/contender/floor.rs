//! The floor of the client library: one connection of the redis crate for each node, the same commands, a majority,
//! and nothing else. No time-outs, no clean-up, no queue.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use futures_util::stream::{FuturesUnordered, StreamExt};
use redis::{AsyncConnectionConfig, Client, Cmd, RedisResult, Value, aio::MultiplexedConnection};

use super::Session;
use crate::{
    outcome::Outcome,
    recipe::{Recipe, command, token_now},
};

/// The connections, shared by all sessions.
#[derive(Clone)]
pub(super) struct Floor {
    connections: Vec<MultiplexedConnection>,
    commands: Arc<Commands>,
}

struct Commands {
    recipe: Recipe,
    tokens: u64,
    /// Owners have only to differ.
    owner: AtomicU64,
    token: AtomicU64,
}

impl Floor {
    pub(super) async fn connect(urls: &[String], recipe: Recipe) -> Outcome<Self> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let mut connections = Vec::with_capacity(urls.len());
        for url in urls {
            connections.push(
                Client::open(url.as_str())?
                    .get_multiplexed_async_connection_with_config(&config)
                    .await?,
            );
        }
        let commands = Commands {
            tokens: recipe.tokens(),
            recipe,
            owner: AtomicU64::new(0),
            token: AtomicU64::new(token_now()),
        };
        Ok(Self {
            connections,
            commands: Arc::new(commands),
        })
    }

    pub(super) fn session(&self) -> impl Session + use<> {
        let connections = self.connections.clone();
        let quorum = connections.len() / 2 + 1;
        let send = move |node: usize, command: Arc<Cmd>, round: u64| {
            let mut connection = connections[node].clone();
            async move { (round, connection.send_packed_command(&command).await) }
        };
        FloorSession {
            send,
            sent: FuturesUnordered::new(),
            round: 0,
            nodes: self.connections.len(),
            quorum,
            commands: Arc::clone(&self.commands),
        }
    }
}

/// Replies that come after the decision are read along with the next command's: a future that is dropped before it is
/// sent is not sent.
struct FloorSession<S, F> {
    send: S,
    sent: FuturesUnordered<F>,
    round: u64,
    nodes: usize,
    quorum: usize,
    commands: Arc<Commands>,
}

impl<S, F> FloorSession<S, F>
where
    S: Fn(usize, Arc<Cmd>, u64) -> F,
    F: Future<Output = (u64, RedisResult<Value>)>,
{
    /// Whether a majority said yes.
    async fn ask(&mut self, command: Cmd) -> bool {
        self.round += 1;
        let command = Arc::new(command);
        for node in 0..self.nodes {
            self.sent
                .push((self.send)(node, Arc::clone(&command), self.round));
        }
        let (mut yes, mut no) = (0, 0);
        while let Some((round, answer)) = self.sent.next().await {
            if round != self.round {
                continue;
            }
            match answer {
                Ok(Value::Okay) => yes += 1,
                _ => no += 1,
            }
            if yes == self.quorum || no > self.nodes - self.quorum {
                break;
            }
        }
        yes == self.quorum
    }
}

impl<S, F> Session for FloorSession<S, F>
where
    S: Fn(usize, Arc<Cmd>, u64) -> F + Send + 'static,
    F: Future<Output = (u64, RedisResult<Value>)> + Send + 'static,
{
    async fn cycle(&mut self, key: &str, body: impl Future<Output = ()> + Send) -> Outcome<u64> {
        let commands = Arc::clone(&self.commands);
        let owner = commands.owner.fetch_add(1, Relaxed);
        let token = commands.token.fetch_add(commands.tokens, Relaxed);
        if !self
            .ask(command(&commands.recipe.acquire, key, owner, token))
            .await
        {
            return Err("the floor met a key that was taken".into());
        }
        body.await;
        if !self
            .ask(command(&commands.recipe.release, key, owner, token))
            .await
        {
            return Err("a release of the floor failed".into());
        }
        Ok(token)
    }
}
