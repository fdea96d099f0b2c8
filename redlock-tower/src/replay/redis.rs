//! First answers in a Redis, shared by all instances. All use of the client library is here.

use super::{Begun, ReplayStore, StoreError};
use redis::{
    AsyncConnectionConfig, Client, FromRedisValue, RedisError, Script, ScriptInvocation, Value,
    aio::MultiplexedConnection,
};
use redlock::FencingToken;
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// For connecting, and for each operation: a request waits for it while it holds its lock.
const TIMEOUT: Duration = Duration::from_millis(500);

/// A [`ReplayStore`] in one Redis or Valkey (or a proxy to several); it may be one of the lock's nodes.
///
/// What is lost with that server is lost: its requests run again if they are repeated. Persistence and replicas are
/// that server's affair. Connects when it is first used, and again after a failure.
#[derive(Clone)]
pub struct RedisStore(Arc<Shared>);

struct Shared {
    client: Client,
    connection: Mutex<Option<MultiplexedConnection>>,
    begin: Script,
    finish: Script,
}

impl RedisStore {
    /// A store at `url`, as in `redis://127.0.0.1:6379/0`.
    ///
    /// # Errors
    ///
    /// When the URL cannot be read. A server that is down is found out by the first request.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        Ok(Self(Arc::new(Shared {
            client: Client::open(url).map_err(StoreError::new)?,
            connection: Mutex::new(None),
            begin: Script::new(include_str!("begin.lua")),
            finish: Script::new(include_str!("finish.lua")),
        })))
    }

    /// Runs a script, on a new connection if the one at hand is found broken: both scripts may run twice.
    async fn invoke<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, StoreError> {
        if let Some(mut connection) = self.0.connected() {
            match script.invoke_async(&mut connection).await {
                Err(error) if broken(&error) => self.0.set(None),
                result => return result.map_err(StoreError::new),
            }
        }
        let mut connection = self.0.connect().await.map_err(StoreError::new)?;
        let result = script.invoke_async(&mut connection).await;
        if result.is_ok() {
            self.0.set(Some(connection));
        }
        result.map_err(StoreError::new)
    }
}

/// A time-out says nothing of the connection, but a new one may reach a server that came back elsewhere.
fn broken(error: &RedisError) -> bool {
    error.is_io_error() || error.is_connection_dropped() || error.is_unrecoverable_error()
}

impl Shared {
    fn connected(&self) -> Option<MultiplexedConnection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, connection: Option<MultiplexedConnection>) {
        *self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = connection;
    }

    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT));
        self.client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }
}

impl ReplayStore for RedisStore {
    async fn begin(
        &self,
        key: &str,
        token: FencingToken,
        ttl: Duration,
    ) -> Result<Begun, StoreError> {
        let mut script = self.0.begin.prepare_invoke();
        script
            .key(key)
            .arg(token.get().to_string())
            .arg(millis(ttl));
        match self.invoke::<Vec<Value>>(&script).await?.as_slice() {
            [Value::Int(0)] => Ok(Begun::Fresh),
            [Value::Int(1), Value::BulkString(record)] => Ok(Begun::Recorded(record.clone())),
            [Value::Int(2)] => Ok(Begun::Stale),
            other => Err(StoreError::new(format!("an unknown reply: {other:?}"))),
        }
    }

    async fn finish(
        &self,
        key: &str,
        token: FencingToken,
        record: Vec<u8>,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        let mut script = self.0.finish.prepare_invoke();
        script
            .key(key)
            .arg(token.get().to_string())
            .arg(millis(ttl))
            .arg(record);
        self.invoke(&script).await
    }
}

/// PX takes at least 1, and at most what fits behind the server's own clock.
fn millis(ttl: Duration) -> u64 {
    const LONG: u64 = 100 * 365 * 24 * 60 * 60 * 1000;
    u64::try_from(ttl.as_millis())
        .unwrap_or(LONG)
        .clamp(1, LONG)
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("address", &self.0.client.get_connection_info().addr())
            .finish_non_exhaustive()
    }
}
