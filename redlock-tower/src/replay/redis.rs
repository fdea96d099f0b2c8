//! First answers in a Redis, shared by all instances. All use of the client library is here.

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

/// For connecting, and for each operation: a request waits for it while it holds its lock.
const TIMEOUT: Duration = Duration::from_millis(500);

/// A [`ReplayStore`] in one Redis or Valkey (or a proxy to several); it may be one of the lock's nodes.
///
/// What is lost with that server is lost: its requests run again if they are repeated. Persistence and replicas are
/// that server's affair.
///
/// It keeps one connection, made when it is first used and again after a failure. The names of its keys begin with the
/// namespace of the [`Redlock`](redlock::Redlock) and `replay:`. An ACL user of its own needs
/// `~<namespace>replay:* +evalsha +script|load +hget +hmget +hset +pexpire`, and `+select` for a database other than 0.
#[derive(Clone)]
pub struct RedisStore(Arc<Shared>);

struct Shared {
    client: Client,
    /// The one connection, or the one attempt to make it. All who need it wait for the same.
    connecting: Mutex<Option<Connecting>>,
    begin: Script,
    finish: Script,
}

type Connecting =
    future::Shared<BoxFuture<'static, Result<MultiplexedConnection, Arc<RedisError>>>>;

impl RedisStore {
    /// A store at `url`, as in `redis://user:password@127.0.0.1:6379/0`; `rediss://` needs the feature `tls`. It is read as
    /// those of nodes are, see [`NodeAddress`](redlock::NodeAddress): `unix://` too, no cluster, and no sentinels.
    ///
    /// # Errors
    ///
    /// When the URL cannot be read; nothing of it is in the error. A server that is down is found out by the first request.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let server = redlock::__private::server(url)
            .map_err(|wrong| StoreError::new(format!("its address {wrong}")))?;
        Client::open(server)
            .map(Self::from)
            .map_err(StoreError::new)
    }

    /// Runs a script, on a new connection if the one at hand is found broken: both scripts may run twice.
    async fn invoke<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, StoreError> {
        let mut again = true;
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
                    if !again {
                        return Err(failed(error));
                    }
                    again = false;
                }
                result => return result.map_err(failed),
            }
        }
    }
}

/// For settings that no URL has, such as TLS certificates of one's own.
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

fn failed(error: RedisError) -> StoreError {
    let reason = reason(&error);
    StoreError::new(error).with_reason(reason)
}

/// What went wrong, without the server's own words: they may repeat the key.
fn reason(error: &RedisError) -> &'static str {
    if error.is_timeout() {
        return "the server did not answer in time";
    }
    if error.is_io_error() {
        return "the server cannot be reached, or closed the connection";
    }
    match error.code() {
        Some("NOAUTH" | "WRONGPASS") => "the server refused the password or the user",
        Some("NOPERM") => "the user lacks a right",
        Some("READONLY") => "the server is a replica",
        Some("LOADING") => "the server is loading its data",
        Some("OOM") => "the memory of the server is full",
        Some("WRONGTYPE") => "a key holds something else",
        _ => "the server answered with an error",
    }
}

/// A time-out says nothing of the connection, but a new one may reach a server that came back elsewhere.
fn broken(error: &RedisError) -> bool {
    error.is_io_error() || error.is_connection_dropped() || error.is_unrecoverable_error()
}

impl Shared {
    fn connecting(&self) -> Connecting {
        self.slot()
            .get_or_insert_with(|| connect(self.client.clone()).boxed().shared())
            .clone()
    }

    /// The next one to ask connects anew, unless somebody does already.
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
    // A panic would be met by all who ask from now on: TLS without a provider of cryptography, or a runtime that ended.
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
