//! Asks the nodes themselves, not through proxies, for how long they hold a key.

use std::time::Duration;

use futures_util::future::join_all;
use redis::{AsyncConnectionConfig, Client as Server};
use tokio::time::timeout;

use crate::args::Problem;
use crate::history::{NodeState, Sample};
use crate::timestamp::{Timestamp, now, ns};

/// Bound on the time for each node.
const TIMEOUT: Duration = Duration::from_millis(80);

/// A key exists until the end of its last millisecond.
const LAST_MILLISECOND: Duration = Duration::from_millis(1);

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

    pub(crate) async fn sample(
        &self,
        grant: &str,
        key: &str,
        owner: &str,
        valid_until: Timestamp,
    ) -> Sample {
        let states = self.nodes.iter().map(async |node| {
            let state = timeout(TIMEOUT, state(node, key, owner)).await;
            state
                .ok()
                .and_then(Result::ok)
                .unwrap_or(NodeState::NoReply)
        });
        let nodes = join_all(states).await;
        Sample {
            grant: grant.to_owned(),
            at: now(),
            valid_until,
            nodes,
        }
    }
}

async fn state(node: &Server, key: &str, owner: &str) -> redis::RedisResult<NodeState> {
    let config = AsyncConnectionConfig::new();
    let mut connection = node
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    let (value, pttl): (Option<String>, i64) = redis::pipe()
        .get(key)
        .pttl(key)
        .query_async(&mut connection)
        .await?;
    let ours = value.is_some_and(|value| value == owner);
    Ok(match u64::try_from(pttl) {
        // From the time at which the reply was read, which is later than the node's: an upper bound.
        Ok(ms) if ours => {
            NodeState::HeldUntil(now() + ns(Duration::from_millis(ms) + LAST_MILLISECOND))
        }
        _ => NodeState::NotHeld,
    })
}
