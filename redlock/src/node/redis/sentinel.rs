//! The master that sentinels name.

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use redis::{
    AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisError,
};

use super::{
    decode,
    link::client,
    target::{Target, address},
};
use crate::node::{Fault, FaultKind};

/// Who is asked, and for whom.
#[derive(Clone)]
pub(super) struct Sentinels {
    pub(super) sentinels: Vec<ConnectionInfo>,
    pub(super) master: String,
    /// The master's.
    pub(super) login: Box<RedisConnectionInfo>,
    pub(super) tls: bool,
}

impl Sentinels {
    /// Where the master is. All sentinels are asked at once, and a majority of them is believed: one that was cut off
    /// during a failover still names the master of before.
    pub(super) async fn master(&self, target: &Target) -> Result<ConnectionInfo, Fault> {
        let ask = |sentinel| async move { (sentinel, self.ask(sentinel, target).await) };
        let mut answers: FuturesUnordered<_> = self.sentinels.iter().map(ask).collect();
        let mut named: Vec<(String, u16)> = Vec::new();
        let mut faults = Vec::new();
        while let Some((sentinel, answer)) = answers.next().await {
            let fault = match answer {
                Ok(Some(place)) => {
                    named.push(place.clone());
                    let votes = named.iter().filter(|other| **other == place).count();
                    if votes > self.sentinels.len() / 2 {
                        return self.login_at(place).map_err(|error| decode::fault(&error));
                    }
                    continue;
                }
                Ok(None) => format!("knows no master `{}`", self.master),
                Err(error) => decode::fault(&error).to_string(),
            };
            faults.push(format!("{}: {fault}", address(sentinel.addr(), 0)));
        }
        for (host, port) in named {
            faults.push(format!("one names {host}:{port}"));
        }
        Err(Fault::untouched(
            FaultKind::Unreachable,
            format!(
                "no majority of the sentinels names a master ({})",
                faults.join("; ")
            ),
        ))
    }

    async fn ask(
        &self,
        sentinel: &ConnectionInfo,
        target: &Target,
    ) -> Result<Option<(String, u16)>, RedisError> {
        let config = AsyncConnectionConfig::new()
            // All time-outs are the lane's.
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let mut connection = client(sentinel, target)?
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        redis::cmd("SENTINEL")
            .arg("GET-MASTER-ADDR-BY-NAME")
            .arg(&self.master)
            .query_async(&mut connection)
            .await
    }

    fn login_at(&self, (host, port): (String, u16)) -> Result<ConnectionInfo, RedisError> {
        let address = if self.tls {
            ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let info = address.into_connection_info()?;
        Ok(info.set_redis_settings((*self.login).clone()))
    }
}
