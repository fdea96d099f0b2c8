//! One connection to a node.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, Pipeline, PushInfo, PushKind, RedisError, Value,
    aio::MultiplexedConnection,
};

#[cfg(feature = "sentinel")]
use super::sentinel::Sentinels;
use super::{
    decode::{self, Answer, Step},
    encode::{self, Manner},
    target::{Reach, Target},
};
use crate::node::{Fault, FaultKind, Info, Op, Strict};

/// One connection to a node, with what the node said of itself when it was made.
pub(in crate::node) struct Link {
    connection: MultiplexedConnection,
    broken: Arc<AtomicBool>,
    manner: Manner,
    pub(in crate::node) info: Info,
    /// Whether the server tells the inbox what is free.
    pub(in crate::node) hears: bool,
}

/// What a server tells unasked.
pub(in crate::node) enum News {
    /// The connection is closed.
    Broken,
    /// `by` released `key`.
    Free { key: String, by: String },
}

/// Where a server tells what is free.
#[derive(Clone, Copy, Debug)]
pub(in crate::node) struct Inbox<'a> {
    /// What stands before all inboxes.
    pub(in crate::node) channel: &'a str,
    pub(in crate::node) name: &'a str,
}

/// The answers of one batch, in order.
pub(in crate::node) type Answers = Result<Vec<Value>, Fault>;

impl Link {
    /// Connects, logs in, asks who is there and listens to the inbox. `on_news` is called on the connection's task.
    pub(in crate::node) async fn open(
        target: &Target,
        retention: Duration,
        strict: Option<&Strict>,
        inbox: Inbox<'_>,
        on_news: impl Fn(News) + Send + Sync + 'static,
    ) -> Result<Self, Fault> {
        let broken = Arc::new(AtomicBool::new(false));
        let noticed = Arc::clone(&broken);
        let config = AsyncConnectionConfig::new()
            // All time-outs are the lane's.
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_push_sender(move |push: PushInfo| {
                match push.kind {
                    PushKind::Disconnection => {
                        noticed.store(true, Relaxed);
                        on_news(News::Broken);
                    }
                    PushKind::Message => {
                        if let Some((key, by)) = decode::free(&push.data) {
                            on_news(News::Free { key, by });
                        }
                    }
                    _ => {}
                }
                Ok::<(), redis::aio::SendError>(())
            });
        let opened = match &target.reach {
            Reach::Server(info) => server(info, target, &config).await,
            #[cfg(feature = "sentinel")]
            Reach::Sentinel(watch) => managed(watch, target, &config).await,
            #[cfg(feature = "cluster")]
            Reach::Cluster(_) => Err(Opening::Fault(Fault::untouched(
                FaultKind::Other,
                "a cluster is connected to by its servers",
            ))),
        };
        let (mut connection, info) = opened.map_err(|error| match error {
            Opening::Redis(error) => decode::fault(&error),
            Opening::Fault(fault) => fault,
        })?;
        let manner = Manner::new(retention, inbox.channel, strict, &info.run_id);
        // A user may lack the right to listen: then waiters look for themselves more often.
        let channel = format!("{}{}", inbox.channel, inbox.name);
        let hears = connection.subscribe(channel).await.is_ok();
        Ok(Self {
            connection,
            broken,
            manner,
            info,
            hears,
        })
    }

    pub(in crate::node) fn is_broken(&self) -> bool {
        self.broken.load(Relaxed)
    }

    /// Sends `batch`. The future is to be polled until it answers: what the client library has not sent yet when its
    /// future is dropped, it skips.
    pub(in crate::node) fn send(
        &self,
        batch: &[(Op, Step)],
    ) -> impl Future<Output = Answers> + Send + use<> {
        let mut pipeline = Pipeline::with_capacity(batch.len());
        for (op, step) in batch {
            pipeline.add_command(encode::command(op.ballot.call(), *step, &self.manner));
        }
        let mut connection = self.connection.clone();
        async move {
            connection
                .send_packed_commands(&pipeline, 0, pipeline.len())
                .await
                .map_err(|error| decode::fault(&error))
        }
    }

    /// What one answer means for the call of `op`.
    pub(in crate::node) fn understand(op: &Op, step: Step, said: &Value) -> Answer {
        decode::answer(op.ballot.call(), step, said)
    }
}

enum Opening {
    Redis(RedisError),
    Fault(Fault),
}

impl From<RedisError> for Opening {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

impl From<Fault> for Opening {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

type Opened = Result<(MultiplexedConnection, Info), Opening>;

async fn server(info: &ConnectionInfo, target: &Target, config: &AsyncConnectionConfig) -> Opened {
    let client = client(info, target)?;
    let mut connection = client
        .get_multiplexed_async_connection_with_config(config)
        .await?;
    let info = introduce(&mut connection).await?;
    Ok((connection, info))
}

#[cfg(feature = "tls")]
pub(super) fn client(info: &ConnectionInfo, target: &Target) -> Result<Client, RedisError> {
    if matches!(info.addr(), redis::ConnectionAddr::TcpTls { .. }) {
        super::certificates::provide_cryptography();
        return Client::build_with_tls(info.clone(), target.certificates.to_redis());
    }
    Client::open(info.clone())
}

#[cfg(not(feature = "tls"))]
pub(super) fn client(info: &ConnectionInfo, _: &Target) -> Result<Client, RedisError> {
    Client::open(info.clone())
}

/// Asks the sentinels who the master is, on every connection anew: it changes by failover.
#[cfg(feature = "sentinel")]
async fn managed(watch: &Sentinels, target: &Target, config: &AsyncConnectionConfig) -> Opened {
    let master = watch.master(target).await?;
    let (connection, info) = server(&master, target, config).await?;
    match &info.replica_of {
        // Between a failover and the sentinels' knowing it: the next connection will find the new master.
        Some(other) => Err(Opening::Fault(Fault::untouched(
            FaultKind::ReadOnly,
            format!("the sentinels still name a replica of {other} as the master"),
        ))),
        None => Ok((connection, info)),
    }
}

/// Asks a server who and how it is.
async fn introduce(connection: &mut MultiplexedConnection) -> Result<Info, Opening> {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("INFO").arg("server");
    pipeline.cmd("INFO").arg("replication");
    pipeline.cmd("TIME");
    pipeline.cmd("CONFIG").arg("GET").arg("maxmemory-policy");
    let asked = Instant::now();
    let answers = connection
        .send_packed_commands(&pipeline, 0, pipeline.len())
        .await?;
    let round_trip = asked.elapsed();
    let mut answers = answers.into_iter();
    let mut next = |needs: &str| match answers.next() {
        Some(Value::ServerError(error)) => {
            let fault = decode::fault(&RedisError::from(error));
            Err(Fault::untouched(fault.kind, format!("{needs}: {fault}")))
        }
        Some(value) => Ok(value),
        None => Err(Fault::untouched(
            FaultKind::Other,
            "the server answered less than it was asked",
        )),
    };
    let server = decode::text(&next("INFO")?);
    let replication = decode::text(&next("INFO")?);
    let time = decode::time(&next("TIME")?);
    // Looking at the policy only serves a warning, so a user without that right is fine.
    let eviction = next("CONFIG GET")
        .ok()
        .and_then(|value| decode::setting(&value));
    let mut info = Info::from_text(&server, &replication);
    info.time = time;
    info.told = Some((asked + round_trip / 2, round_trip));
    info.eviction = eviction;
    Ok(info)
}
