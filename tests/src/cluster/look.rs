//! Inspecting a node over a separate connection.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue};

use super::node::{Node, PATIENCE};

impl Node {
    /// A plain connection of the `redis` crate, to inspect keys and for `CONFIG SET`.
    ///
    /// # Panics
    ///
    /// When the node does not answer. A paused or dead node cannot be inspected.
    pub async fn client(&self) -> MultiplexedConnection {
        let client = Client::open(self.url()).expect("the fixture's own address");
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        match client
            .get_multiplexed_async_connection_with_config(&config)
            .await
        {
            Ok(connection) => connection,
            Err(error) => panic!("node {} cannot be looked at: {error}", self.index()),
        }
    }

    /// The answer to one command.
    ///
    /// # Panics
    ///
    /// When the node does not answer, or answers with an error or another type.
    pub async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> T {
        match command.query_async(&mut self.client().await).await {
            Ok(answer) => answer,
            Err(error) => panic!("node {}: {error}", self.index()),
        }
    }

    /// All keys, sorted, except for the record of the clients' lists of nodes.
    ///
    /// # Panics
    ///
    /// When the node does not answer.
    pub async fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.ask(redis::cmd("KEYS").arg("*")).await;
        keys.retain(|key| !key.ends_with("{redlock}:nodes"));
        keys.sort();
        keys
    }

    /// Whether `key` exists.
    ///
    /// # Panics
    ///
    /// When the node does not answer.
    pub async fn exists(&self, key: &str) -> bool {
        self.ask(redis::cmd("EXISTS").arg(key)).await
    }

    /// The string at `key`.
    ///
    /// # Panics
    ///
    /// When the node does not answer, or holds another type there.
    pub async fn get(&self, key: &str) -> Option<String> {
        self.ask(redis::cmd("GET").arg(key)).await
    }

    /// The remaining ttl of `key`. `None` if the key is missing or does not expire.
    ///
    /// # Panics
    ///
    /// When the node does not answer.
    pub async fn pttl(&self, key: &str) -> Option<Duration> {
        let ms: i64 = self.ask(redis::cmd("PTTL").arg(key)).await;
        u64::try_from(ms).ok().map(Duration::from_millis)
    }

    /// How often clients and scripts have called any of `commands` (lower case).
    ///
    /// # Panics
    ///
    /// When the node does not answer.
    pub async fn calls(&self, commands: &[&str]) -> u64 {
        let info: String = self.ask(redis::cmd("INFO").arg("commandstats")).await;
        let calls = |line: &str| -> Option<u64> {
            let (name, stats) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            commands
                .contains(&name)
                .then(|| stats.split(',').next()?.parse().ok())?
        };
        info.lines().filter_map(calls).sum()
    }

    /// How many clients are connected, not counting the connection that asks.
    ///
    /// # Panics
    ///
    /// When the node does not answer.
    pub async fn connections(&self) -> u64 {
        self.info("clients", "connected_clients").await - 1
    }

    /// The number at `field` in a section of `INFO`.
    ///
    /// # Panics
    ///
    /// When the node does not answer, or has no such number.
    pub async fn info(&self, section: &str, field: &str) -> u64 {
        let info: String = self.ask(redis::cmd("INFO").arg(section)).await;
        info.lines()
            .find_map(|line| {
                line.strip_prefix(field)?
                    .strip_prefix(':')?
                    .trim()
                    .parse()
                    .ok()
            })
            .unwrap_or_else(|| panic!("INFO {section} has no number {field}:\n{info}"))
    }
}
