//! The master that sentinels name.

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use redis::{ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo, RedisError, Value};

use super::{
    decode, login, resp,
    target::{Target, at, name},
    wire::Wire,
};
use crate::node::{Fault, FaultKind};

/// The login before the hosts is the master's.
const PASSWORD: &str =
    "the password of sentinels is given by `?sentinel_password=` or Builder::sentinel_password";

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
        let mut kind = None;
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
                Err(fault) => {
                    kind.get_or_insert(fault.kind);
                    match fault.kind {
                        FaultKind::Authentication => format!("{fault}: {PASSWORD}"),
                        _ => fault.to_string(),
                    }
                }
            };
            faults.push(format!("{}: {fault}", name(sentinel.addr(), 0)));
        }
        for (host, port) in named {
            faults.push(format!("one names {host}:{port}"));
        }
        Err(Fault::untouched(
            kind.unwrap_or(FaultKind::Unreachable),
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
    ) -> Result<Option<(String, u16)>, Fault> {
        let mut wire = Wire::open(sentinel, &target.certificates).await?;
        login::write(sentinel, wire.out());
        resp::command(wire.out(), |ask| {
            ask.args(["SENTINEL", "GET-MASTER-ADDR-BY-NAME", &self.master]);
        });
        login::read(sentinel, &mut wire).await?;
        match wire.next().await? {
            Value::ServerError(error) => Err(decode::fault(&RedisError::from(error))),
            Value::Array(place) => Ok(match place.as_slice() {
                [host, port] => {
                    let port = decode::text(port).parse().ok();
                    port.map(|port| (decode::text(host), port))
                }
                _ => None,
            }),
            _ => Ok(None),
        }
    }

    fn login_at(&self, (host, port): (String, u16)) -> Result<ConnectionInfo, RedisError> {
        let info = at(&host, port, self.tls).into_connection_info()?;
        Ok(info.set_redis_settings((*self.login).clone()))
    }
}
