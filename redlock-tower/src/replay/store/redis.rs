//! Records in a Redis server, shared by all instances. Only this file uses the Redis client library.

use super::{Begun, ReplayStore, StoreError};
use futures_util::{
    FutureExt as _,
    future::{self, BoxFuture},
};
use redis::{
    AsyncConnectionConfig, Client, FromRedisValue, RedisError, Script, ScriptInvocation, Value,
    aio::MultiplexedConnection,
};
use redlock::FencingToken;
use std::{
    fmt,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// For connecting, and for each operation. A request holds its lock meanwhile.
const TIMEOUT: Duration = Duration::from_millis(500);

/// A [`ReplayStore`] in one Redis or Valkey server, or behind a proxy to several. It may be one of the lock's nodes.
///
/// [`Quorum`](super::Quorum) needs neither a further server nor a further connection, and survives the loss of a node. This one
/// costs one round trip before the handler instead of two, has no limit of 64 KiB, and needs no old nodes.
/// If the server loses a record, a duplicate of its request runs again: configure persistence and replicas to your needs.
///
/// The store keeps one connection. It connects on first use, and again after a failure. Its keys start with the namespace
/// of the [`Redlock`](redlock::Redlock) and `replay:`. An ACL user needs
/// `~<namespace>replay:* +evalsha +script|load +hget +hmget +hset +pexpire`, `+select` for a database other than 0, and
/// `+hdel +pttl` for [`share`](crate::RedlockLayer::share).
#[derive(Clone)]
pub struct RedisStore(Arc<Shared>);

struct Shared {
    client: Client,
    /// The connection, or the current attempt to connect, which all callers await.
    connecting: Mutex<Option<Connecting>>,
    begin: Script,
    finish: Script,
}

type Connecting =
    future::Shared<BoxFuture<'static, Result<MultiplexedConnection, Arc<RedisError>>>>;

impl RedisStore {
    /// A store at `url`, such as `redis://user:password@127.0.0.1:6379/0`. The syntax is that of
    /// [`NodeAddress`](redlock::NodeAddress), without clusters and sentinels. `rediss://` needs the feature `tls`.
    ///
    /// Does not connect: a server that is down makes the first request fail.
    ///
    /// # Errors
    ///
    /// If the URL is invalid. The error contains no part of it, as it may hold a password.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let server = redlock::__private::server(url)
            .map_err(|wrong| StoreError::new(format!("its address {wrong}")))?;
        Client::open(server)
            .map(Self::from)
            .map_err(StoreError::new)
    }

    /// Runs a script, and once more on a new connection if the current one is broken. Both scripts are idempotent.
    async fn invoke<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, StoreError> {
        let mut may_retry = true;
        loop {
            let connecting = self.0.connecting();
            let mut connection = match connecting.clone().await {
                Ok(connection) => connection,
                Err(error) => {
                    self.0.forget(&connecting);
                    let reason = reason(&error);
                    return Err(StoreError::new(error).with_reason(reason));
                }
            };
            match script.invoke_async(&mut connection).await {
                Err(error) if broken(&error) => {
                    self.0.forget(&connecting);
                    if !may_retry {
                        return Err(store_error(error));
                    }
                    may_retry = false;
                }
                result => return result.map_err(store_error),
            }
        }
    }
}

/// For settings that a URL cannot express, such as your own TLS certificates.
impl From<Client> for RedisStore {
    fn from(client: Client) -> Self {
        Self(Arc::new(Shared {
            client,
            connecting: Mutex::new(None),
            begin: Script::new(include_str!("begin.lua")),
            finish: Script::new(include_str!("finish.lua")),
        }))
    }
}

fn store_error(error: RedisError) -> StoreError {
    let reason = reason(&error);
    StoreError::new(error).with_reason(reason)
}

/// What went wrong, without the server's error message, which may contain the key.
fn reason(error: &RedisError) -> &'static str {
    if error.is_timeout() {
        return "the server did not answer in time";
    }
    if error.is_io_error() {
        return "the server cannot be reached, or closed the connection";
    }
    match error.code() {
        Some("NOAUTH" | "WRONGPASS") => "the server refused the password or the user",
        Some("NOPERM") => "the user lacks a permission",
        Some("READONLY") => "the server is a replica",
        Some("LOADING") => "the server is loading its data",
        Some("OOM") => "the memory of the server is full",
        Some("WRONGTYPE") => "a key holds a value of another type",
        _ => "the server replied with an error",
    }
}

/// Includes time-outs: a new connection may reach a server that has come back at another address.
fn broken(error: &RedisError) -> bool {
    error.is_io_error() || error.is_connection_dropped() || error.is_unrecoverable_error()
}

impl Shared {
    fn connecting(&self) -> Connecting {
        self.slot()
            .get_or_insert_with(|| connect(self.client.clone()).boxed().shared())
            .clone()
    }

    /// The next caller connects again, unless another caller has done so already.
    fn forget(&self, connecting: &Connecting) {
        let mut slot = self.slot();
        if slot
            .as_ref()
            .is_some_and(|current| current.ptr_eq(connecting))
        {
            *slot = None;
        }
    }

    fn slot(&self) -> MutexGuard<'_, Option<Connecting>> {
        self.connecting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

async fn connect(client: Client) -> Result<MultiplexedConnection, Arc<RedisError>> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(TIMEOUT))
        .set_response_timeout(Some(TIMEOUT));
    let connecting = client.get_multiplexed_async_connection_with_config(&config);
    // Catch a panic (TLS without a crypto provider, a runtime that ended): in the shared future, all later callers would
    // panic too.
    match AssertUnwindSafe(connecting).catch_unwind().await {
        Ok(connected) => connected.map_err(Arc::new),
        Err(_) => Err(Arc::new(RedisError::from((
            redis::ErrorKind::Io,
            "connecting panicked: for rediss:// choose one `rustls::crypto::CryptoProvider` with `install_default`, and keep \
             the runtime alive",
        )))),
    }
}

impl ReplayStore for RedisStore {
    async fn begin(
        &self,
        key: &str,
        token: FencingToken,
        ttl: Duration,
    ) -> Result<Begun, StoreError> {
        self.begin_recent(key, token, ttl, Duration::ZERO).await
    }

    async fn begin_recent(
        &self,
        key: &str,
        token: FencingToken,
        ttl: Duration,
        min_left: Duration,
    ) -> Result<Begun, StoreError> {
        let mut script = self.0.begin.prepare_invoke();
        script
            .key(key)
            .arg(token.get().to_string())
            .arg(millis(ttl))
            .arg(min_left.as_millis().min(MAX_TTL.into()).to_string());
        match self.invoke::<Vec<Value>>(&script).await?.as_slice() {
            [Value::Int(0)] => Ok(Begun::Fresh),
            [Value::Int(1), Value::BulkString(record)] => Ok(Begun::Recorded(record.clone())),
            [Value::Int(2)] => Ok(Begun::Stale),
            other => Err(StoreError::new(format!("unexpected reply: {other:?}"))),
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

/// A hundred years in ms, so that the server's clock does not overflow.
const MAX_TTL: u64 = 100 * 365 * 24 * 60 * 60 * 1000;

/// PEXPIRE takes at least 1 ms.
fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis())
        .unwrap_or(MAX_TTL)
        .clamp(1, MAX_TTL)
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("address", &self.0.client.get_connection_info().addr())
            .finish_non_exhaustive()
    }
}
