//! The master that sentinels name.
//!
//! A master that was cut off and replaced does not know it, and answers as before. So the sentinels
//! are asked periodically while a connection to a master is in use. The connection is closed when
//! they name another master, and votes count only for some time after a majority of the sentinels
//! confirmed the master. The sentinels also report by which election it became the master. Its
//! marker contains that under the strict restart guard.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use redis::{ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo, RedisError};

use super::{
    endpoint::{at, name},
    login,
    socket::{Dialer, Server},
    wire::Wire,
};
use crate::{
    env::clock::{Clock, Instant},
    fault::{Fault, FaultKind},
    resp::{self, Value},
};

/// After this many failed looks in a row, the master no longer counts as confirmed.
const LOOKS: u32 = 4;

/// The login before the hosts is the master's.
const PASSWORD: &str =
    "the password of sentinels is given by `?sentinel_password=` or Builder::sentinel_password";

/// The sentinels, and the master to ask for.
#[derive(Clone)]
pub(super) struct Sentinels {
    pub(super) sentinels: Vec<ConnectionInfo>,
    pub(super) master: String,
    /// The master's.
    pub(super) login: Box<RedisConnectionInfo>,
    pub(super) tls: bool,
}

/// What the sentinels report about the master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    place: (String, u16),
    /// The election by which it became the master: the highest epoch that any sentinel reported.
    pub(super) epoch: Option<u64>,
}

/// The open connections to the sentinels, in their order.
#[derive(Default)]
struct Wires(Vec<Option<Wire>>);

impl Sentinels {
    /// The address of the master. All sentinels are asked at once, and the answer of a majority
    /// counts: one that was cut off during a failover still names the previous master.
    async fn master(&self, dialer: &Dialer, wires: &mut Wires) -> Result<Named, Fault> {
        wires.0.resize_with(self.sentinels.len(), || None);
        let ask = |(index, sentinel): (usize, _)| {
            let kept = wires.0[index].take();
            async move { (index, self.ask(sentinel, dialer, kept).await) }
        };
        let sentinels = self.sentinels.iter().enumerate();
        let mut answers: FuturesUnordered<_> = sentinels.map(ask).collect();
        let mut named: Vec<Named> = Vec::new();
        let mut faults = Vec::new();
        let mut kind = None;
        while let Some((index, answer)) = answers.next().await {
            let fault = match answer {
                Ok((wire, Some(new))) => {
                    wires.0[index] = Some(wire);
                    let same = |other: &&Named| other.place == new.place;
                    let place = new.place.clone();
                    let votes = 1 + named.iter().filter(same).count();
                    let epochs = named.iter().filter(same).map(|other| other.epoch);
                    let epoch = epochs.fold(new.epoch, Option::max);
                    if votes > self.sentinels.len() / 2 {
                        return Ok(Named { place, epoch });
                    }
                    named.push(new);
                    continue;
                }
                Ok((_, None)) => format!("knows no master `{}`", self.master),
                Err(fault) => {
                    kind.get_or_insert(fault.kind);
                    match fault.kind {
                        FaultKind::Authentication => format!("{fault}: {PASSWORD}"),
                        _ => fault.to_string(),
                    }
                }
            };
            faults.push(format!(
                "{}: {fault}",
                name(self.sentinels[index].addr(), 0)
            ));
        }
        for Named {
            place: (host, port),
            ..
        } in named
        {
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

    /// Asks over the open connection if it still works, otherwise over a new one.
    async fn ask(
        &self,
        sentinel: &ConnectionInfo,
        dialer: &Dialer,
        kept: Option<Wire>,
    ) -> Result<(Wire, Option<Named>), Fault> {
        if let Some(mut wire) = kept {
            self.write(&mut wire);
            if let Ok(named) = dialer.handshake(read(&mut wire)).await {
                return Ok((wire, named));
            }
        }
        let sentinel = Server::At(sentinel);
        let (login, _) = dialer.login(sentinel).await?;
        let mut wire = Wire::open(sentinel, &login, dialer).await?;
        login::write(sentinel, &login, dialer, wire.out());
        self.write(&mut wire);
        let answer = dialer.handshake(async {
            login::read(sentinel, &login, dialer, &mut wire).await?;
            read(&mut wire).await
        });
        let named = answer.await?;
        Ok((wire, named))
    }

    fn write(&self, wire: &mut Wire) {
        for question in ["GET-MASTER-ADDR-BY-NAME", "MASTER"] {
            resp::command(wire.out(), |ask| {
                ask.args(["SENTINEL", question, &self.master]);
            });
        }
    }

    fn login_at(&self, (host, port): (String, u16)) -> Result<ConnectionInfo, RedisError> {
        let info = at(&host, port, self.tls).into_connection_info()?;
        Ok(info.set_redis_settings((*self.login).clone()))
    }
}

/// Reads the replies to [`Sentinels::write`].
async fn read(wire: &mut Wire) -> Result<Option<Named>, Fault> {
    let (place, about) = (wire.next().await?, wire.next().await?);
    let place = match place {
        Value::ServerError(error) => return Err(resp::server_fault(&error)),
        Value::Array(place) => match place.as_slice() {
            [host, port] => {
                let port = resp::text(port).parse().ok();
                port.map(|port| (resp::text(host), port))
            }
            _ => None,
        },
        _ => None,
    };
    let epoch = resp::field(&about, "config-epoch").and_then(|epoch| epoch.parse().ok());
    Ok(place.map(|place| Named { place, epoch }))
}

/// Asks the sentinels periodically while a connection to their master is in use.
pub(super) struct Watch {
    looks: Pin<Box<dyn Future<Output = Look> + Send>>,
    every: Duration,
    /// When the sentinels that named it last were asked.
    confirmed: Instant,
    confirmed_for: Duration,
}

/// One look at the sentinels, and how to take the next one.
struct Look {
    master: Master,
    asked: Instant,
    found: Result<Named, Fault>,
}

/// The master, and the sentinels that named it.
struct Master {
    sentinels: Sentinels,
    dialer: Dialer,
    wires: Wires,
    named: Named,
}

/// Asks the sentinels for the master: its address, its election, and a watch on both. Votes count
/// for `confirmed_for` after each confirmation.
pub(super) async fn find(
    sentinels: &Sentinels,
    dialer: &Dialer,
    confirmed_for: Duration,
) -> Result<(ConnectionInfo, Option<u64>, Watch), Fault> {
    let (mut wires, asked) = (Wires::default(), Clock::Machine.now());
    // The credentials of a provider are the master's.
    let dialer = dialer.without_credentials();
    let named = sentinels.master(&dialer, &mut wires).await?;
    let login = sentinels
        .login_at(named.place.clone())
        .map_err(|error| resp::fault(&error))?;
    let epoch = named.epoch;
    let master = Master {
        sentinels: sentinels.clone(),
        dialer,
        wires,
        named,
    };
    let every = confirmed_for / LOOKS;
    let watch = Watch {
        looks: Box::pin(master.look(every)),
        every,
        confirmed: asked,
        confirmed_for,
    };
    Ok((login, epoch, watch))
}

impl Master {
    /// Asks again after a pause.
    async fn look(mut self, after: Duration) -> Look {
        tokio::time::sleep(after).await;
        let asked = Clock::Machine.now();
        // A sentinel that hangs may be slow; the next look asks all of them again.
        let answer = self.sentinels.master(&self.dialer, &mut self.wires);
        let found = tokio::time::timeout(after * 2, answer).await;
        let found = found.unwrap_or_else(|_| {
            let text = "no majority of the sentinels answered";
            Err(Fault::untouched(FaultKind::TimedOut, text))
        });
        Look {
            master: self,
            asked,
            found,
        }
    }
}

impl Watch {
    /// Ready when the sentinels name another master, or this one by a later election.
    pub(super) fn poll_replaced(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        loop {
            let Look {
                master,
                asked,
                found,
            } = std::task::ready!(self.looks.as_mut().poll(cx));
            if let Ok(named) = found {
                if named.place != master.named.place || named.epoch > master.named.epoch {
                    let (host, port) = &named.place;
                    let text = format!("the sentinels name another master now: {host}:{port}");
                    return Poll::Ready(Fault::unknown(FaultKind::Unreachable, text));
                }
                self.confirmed = asked;
            }
            self.looks = Box::pin(master.look(self.every));
        }
    }

    /// Why the master's votes do not count, if they do not.
    pub(super) fn unconfirmed(&self, now: Instant) -> Option<Fault> {
        (now.saturating_since(self.confirmed) > self.confirmed_for).then(|| {
            Fault::unknown(
                FaultKind::Unreachable,
                "no majority of the sentinels confirmed lately that it is still the master",
            )
        })
    }
}
