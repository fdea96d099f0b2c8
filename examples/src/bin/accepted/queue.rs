//! The queue: a Redis stream of orders, each with the ticket of its lock; and the store, which refuses late writes.

use std::{collections::HashMap, time::Duration};

use redis::{AsyncConnectionConfig, FromRedisValue, RedisError, aio::MultiplexedConnection};
use redlock::FencingToken;

const STREAM: &str = "orders";
const GROUP: &str = "workers";
/// After this time without a word of its worker, an order is another worker's.
const IDLE: Duration = Duration::from_secs(2);
/// How long to wait for the next order.
const BLOCK: Duration = Duration::from_millis(500);

pub(crate) struct Queue {
    connection: MultiplexedConnection,
}

/// An order in the queue.
pub(crate) struct Work {
    /// Its place in the stream.
    id: String,
    pub(crate) order: String,
    pub(crate) ticket: String,
}

type Entry = (String, HashMap<String, String>);

impl Queue {
    pub(crate) async fn connect(url: &str) -> Result<Self, String> {
        let unusable = |error: RedisError| format!("the queue {url} cannot be used: {error}");
        let client = redis::Client::open(url).map_err(unusable)?;
        // A request that blocks is answered later than others.
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(BLOCK * 10));
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = connection.await.map_err(unusable)?;
        let mut create = redis::cmd("XGROUP");
        create
            .arg("CREATE")
            .arg(STREAM)
            .arg(GROUP)
            .arg("0")
            .arg("MKSTREAM");
        match create.query_async::<()>(&mut connection).await {
            Err(error) if error.code() != Some("BUSYGROUP") => Err(unusable(error)),
            _ => Ok(Self { connection }),
        }
    }

    /// Adds an order with the ticket of its lock.
    pub(crate) async fn add(&self, order: &str, ticket: &str) -> Result<(), String> {
        let mut add = redis::cmd("XADD");
        add.arg(STREAM).arg("*");
        add.arg("order").arg(order).arg("ticket").arg(ticket);
        self.ask::<String>(&add).await.map(drop)
    }

    /// The next order for the worker `name`: one whose worker has crashed, or a new one. `None` where there was none for a
    /// moment.
    pub(crate) async fn next(&self, name: &str) -> Result<Option<Work>, String> {
        let mut claim = redis::cmd("XAUTOCLAIM");
        claim.arg(STREAM).arg(GROUP).arg(name);
        claim.arg(millis(IDLE)).arg("0").arg("COUNT").arg(1);
        let (_, claimed, _): (String, Vec<Entry>, Vec<String>) = self.ask(&claim).await?;
        if let Some(entry) = claimed.into_iter().next() {
            return Ok(Some(Work::of(entry)));
        }
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg(GROUP).arg(name).arg("COUNT").arg(1);
        read.arg("BLOCK")
            .arg(millis(BLOCK))
            .arg("STREAMS")
            .arg(STREAM)
            .arg(">");
        let read: Option<Vec<(String, Vec<Entry>)>> = self.ask(&read).await?;
        let mut entries = read.into_iter().flatten().flat_map(|(_, entries)| entries);
        Ok(entries.next().map(Work::of))
    }

    /// The order is shipped: it leaves the queue.
    pub(crate) async fn done(&self, work: &Work) -> Result<(), String> {
        for command in ["XACK", "XDEL"] {
            let mut done = redis::cmd(command);
            done.arg(STREAM);
            if command == "XACK" {
                done.arg(GROUP);
            }
            self.ask::<u64>(done.arg(&work.id)).await?;
        }
        Ok(())
    }

    /// Writes that an order is shipped, unless a later holder of its lock has written.
    pub(crate) async fn ship(&self, order: &str, token: FencingToken) -> Result<(), String> {
        let script = format!(
            "{} if not accepted(KEYS[2], ARGV[1]) then return redis.error_reply('STALE a later holder has written') end \
             return redis.call('HINCRBY', KEYS[1], ARGV[2], 1)",
            redlock::fence::REDIS
        );
        let mut ship = redis::cmd("EVAL");
        ship.arg(script)
            .arg(2)
            .arg("{shop}:shipped")
            .arg(format!("{{shop}}:fence:{order}"));
        self.ask::<u64>(ship.arg(token.to_string()).arg(order))
            .await
            .map(drop)
    }

    /// Whether an order is shipped.
    pub(crate) async fn is_shipped(&self, order: &str) -> Result<bool, String> {
        let mut look = redis::cmd("HEXISTS");
        self.ask(look.arg("{shop}:shipped").arg(order)).await
    }

    async fn ask<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, String> {
        let answer = command.query_async(&mut self.connection.clone()).await;
        answer.map_err(|error| format!("the queue failed: {error}"))
    }
}

impl Work {
    fn of((id, mut fields): Entry) -> Self {
        let mut field = |name| fields.remove(name).unwrap_or_default();
        Self {
            id,
            order: field("order"),
            ticket: field("ticket"),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
