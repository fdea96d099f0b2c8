//! Asks the nodes themselves how long they hold a key, past the proxies.

use std::time::Duration;

use futures_util::future::join_all;
use redis::{AsyncConnectionConfig, Client as Server};
use tokio::time::timeout;

use crate::args::Problem;
use crate::history::{Sample, Seen};
use crate::stamp::{Stamp, now, ns};

/// What a node that hangs may cost.
const PATIENCE: Duration = Duration::from_millis(80);

/// A key lives through its last millisecond.
const LAST_MILLISECOND: Duration = Duration::from_millis(1);

/// The way to the nodes.
#[derive(Debug)]
pub(crate) struct Sampler {
    nodes: Vec<Server>,
}

impl Sampler {
    pub(crate) fn new(urls: &[String]) -> Result<Self, Problem> {
        let nodes = urls
            .iter()
            .map(|url| Server::open(url.as_str()))
            .collect::<Result<_, _>>()?;
        Ok(Self { nodes })
    }

    pub(crate) async fn look(&self, grant: &str, key: &str, owner: &str, valid: Stamp) -> Sample {
        let looks = self.nodes.iter().map(async |node| {
            let looked = timeout(PATIENCE, look(node, key, owner)).await;
            looked.ok().and_then(Result::ok).unwrap_or(Seen::Silent)
        });
        let nodes = join_all(looks).await;
        Sample {
            grant: grant.to_owned(),
            at: now(),
            valid,
            nodes,
        }
    }
}

async fn look(node: &Server, key: &str, owner: &str) -> redis::RedisResult<Seen> {
    let config = AsyncConnectionConfig::new();
    let mut connection = node
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    let (value, left): (Option<String>, i64) = redis::pipe()
        .get(key)
        .pttl(key)
        .query_async(&mut connection)
        .await?;
    let ours = value.is_some_and(|value| value == owner);
    Ok(match u64::try_from(left) {
        // Counted from now, which is later than the node's answer: at most that long.
        Ok(left) if ours => Seen::Until(now() + ns(Duration::from_millis(left) + LAST_MILLISECOND)),
        _ => Seen::Gone,
    })
}
