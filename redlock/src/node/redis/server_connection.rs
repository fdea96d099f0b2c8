//! A connection to a server, with the handshake that makes it usable.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;

#[cfg(feature = "sentinel")]
use super::sentinel;
use super::{
    credentials::Subscription as NewLogins,
    login,
    socket::{Server, access::Login},
    target::{NodeKind, Target},
    wire::Wire,
};
use crate::{
    command::{self, Announcement, CommandKind, Form, NodeRecord, Request, Session, Step},
    env::clock,
    fault::{Fault, FaultKind},
    node::{Info, Optional, Strict},
    resp::{self, Value},
};

/// Without a guard, the sentinels are asked four times in this period.
#[cfg(feature = "sentinel")]
const UNGUARDED: Duration = Duration::from_secs(4);

/// The scripts that belong to no kind of command, as bits of [`ServerConnection::known`]: the one that asks for the holder, and
/// that of batches.
const HOLDER: u32 = u32::BITS - 1;
const BATCH: u32 = u32::BITS - 2;
const _: () = assert!(
    CommandKind::COUNT <= BATCH as usize,
    "`known` needs more bits"
);

/// One connection to a node, with what the node said of itself when it was made.
pub(in crate::node) struct ServerConnection {
    wire: Wire,
    session: Session,
    /// The later credentials of a provider.
    new_logins: Option<NewLogins>,
    /// What was logged in with last.
    login: Login,
    /// The kinds of commands whose scripts were sent over this connection, one bit each: the server
    /// knows them.
    known: u32,
    /// The server refuses `EVALSHA`: scripts are always sent with their source.
    always_source: bool,
    pub(in crate::node) info: Info,
    /// Whether the server notifies the inbox of this process.
    pub(in crate::node) is_subscribed: bool,
    /// Its reply to the announcement.
    pub(in crate::node) record: Result<NodeRecord, Fault>,
    /// Asks the sentinels whether this server is still the master.
    #[cfg(feature = "sentinel")]
    watch: Option<sentinel::Watch>,
}

/// What comes over a connection.
pub(in crate::node) enum Incoming {
    /// The reply to the oldest command without one.
    Answer(Value),
    /// A notification that `by` released `key`.
    Free { key: String, by: String },
    /// The server's data were emptied. Arrives before the reply to anything that is carried out
    /// later.
    Emptied,
}

/// The inbox of this process on a server.
#[derive(Clone, Copy, Debug)]
pub(in crate::node) struct Subscription<'a> {
    /// The prefix of all inboxes.
    pub(in crate::node) channel: &'a str,
    pub(in crate::node) name: &'a str,
}

impl ServerConnection {
    /// Connects, logs in, asks for the server's identity and subscribes to the inbox, in one round
    /// trip.
    pub(in crate::node) async fn open(
        target: &Target,
        retention: Duration,
        strict: Option<&Strict>,
        inbox: Subscription<'_>,
        said: (&str, &Announcement),
    ) -> Result<Self, Fault> {
        match &target.kind {
            NodeKind::Server(endpoint) => {
                let server = endpoint.server();
                Self::to_server(server, target, retention, strict, inbox, said, None).await
            }
            #[cfg(feature = "sentinel")]
            NodeKind::Sentinel(sentinels) => {
                // Asked again on every connection: a failover changes it.
                let confirmed_for = strict.map_or(UNGUARDED, |strict| strict.confirmed_for);
                let (master, epoch, watch) =
                    sentinel::find(sentinels, &target.dialer, confirmed_for).await?;
                if strict.is_some() && epoch.is_none() {
                    return Err(Fault::untouched(
                        FaultKind::Permission,
                        "the sentinels do not report the configuration epoch that the strict restart guard needs: \
                         let the user send them SENTINEL MASTER, or choose RestartGuard::Off",
                    ));
                }
                let master = Server::At(&master);
                let mut connection =
                    Self::to_server(master, target, retention, strict, inbox, said, epoch).await?;
                connection.watch = Some(watch);
                match &connection.info.replica_of {
                    // After a failover, before the sentinels know it: the next connection finds the
                    // new master.
                    Some(other) => Err(Fault::untouched(
                        FaultKind::ReadOnly,
                        format!("the sentinels still name a replica of {other} as the master"),
                    )),
                    None => Ok(connection),
                }
            }
            #[cfg(feature = "cluster")]
            NodeKind::Cluster(_) => Err(Fault::untouched(
                FaultKind::Other,
                "a cluster is connected to by its servers",
            )),
        }
    }

    async fn to_server(
        server: Server<'_>,
        target: &Target,
        retention: Duration,
        strict: Option<&Strict>,
        inbox: Subscription<'_>,
        (record, said): (&str, &Announcement),
        epoch: Option<u64>,
    ) -> Result<Self, Fault> {
        let dialer = &target.dialer;
        let (login, new_logins) = dialer.login(server).await?;
        let mut wire = Wire::open(server, &login, dialer).await?;
        login::write(server, &login, dialer, wire.out());
        write_identity_queries(wire.out());
        resp::command(wire.out(), |tracking| {
            // Tracks no key, so it costs nothing. The server then reports when it empties its data.
            tracking.args(["CLIENT", "TRACKING", "ON", "OPTIN"]);
        });
        said.encode(record, wire.out());
        let channel = format!("{}{}", inbox.channel, inbox.name);
        resp::command(wire.out(), |publish| {
            // An empty message, to learn whether this user may notify others.
            publish.args(["PUBLISH", &channel, ""]);
        });
        resp::command(wire.out(), |subscribe| {
            subscribe.args(["SUBSCRIBE", &channel]);
        });
        login::write_protocol(wire.out());
        let asked = Instant::now();
        let greeting = dialer.handshake(async {
            login::read(server, &login, dialer, &mut wire).await?;
            let mut info = read_identity(&mut wire).await?;
            let round_trip = asked.elapsed();
            info.answered = Some((asked + round_trip / 2, round_trip));
            info.note_refusal(Optional::Tracking, &wire.next().await?);
            let record = NodeRecord::decode(&wire.next().await?);
            let is_subscribed = subscribed(&mut info, &mut wire).await?;
            Ok((info, record, is_subscribed))
        });
        let (info, record, is_subscribed) = greeting.await?;
        Ok(Self {
            wire,
            session: Session {
                retention,
                channel: inbox.channel.to_owned(),
                marker: strict.map(|strict| strict.marker_of(&info, epoch)),
            },
            new_logins,
            login,
            known: 0,
            always_source: false,
            info,
            is_subscribed,
            record,
            #[cfg(feature = "sentinel")]
            watch: None,
        })
    }

    /// The form of `step` on this connection. A script is sent with its source the first time,
    /// which saves a round trip if the server does not know it.
    pub(in crate::node) fn known_step(&mut self, request: &Request, step: Step) -> Step {
        if step.form != Form::Hash {
            return step;
        }
        let script = match step.asks_holder {
            true => HOLDER,
            false => request.command.kind() as u32,
        };
        match self.knows(script) {
            true => step,
            false => step.with_source(),
        }
    }

    /// Writes a step of `request`, to be sent by the next flush.
    pub(in crate::node) fn write(&mut self, request: &Request, step: Step) {
        command::encode(request, step, &self.session, self.wire.out());
    }

    /// Writes one call with all of `requests`, as [`command::encode_batch`], to be sent by the next flush.
    pub(in crate::node) fn write_batch<'r>(&mut self, requests: impl Iterator<Item = &'r Request>) {
        let is_known = self.knows(BATCH);
        command::encode_batch(requests, !is_known, &self.session, self.wire.out());
    }

    /// Whether the server knows the script, which it does from now on.
    fn knows(&mut self, script: u32) -> bool {
        let is_known = self.known & 1 << script != 0;
        self.known |= 1 << script;
        is_known && !self.always_source
    }

    /// The server has forgotten the scripts: each goes with its source once more.
    pub(in crate::node) fn forget_scripts(&mut self) {
        self.known = 0;
    }

    /// The server refuses `EVALSHA`.
    pub(in crate::node) fn always_send_source(&mut self) {
        self.always_source = true;
    }

    /// Writes an announcement, to be sent by the next flush.
    pub(in crate::node) fn write_announcement(&mut self, key: &str, announcement: &Announcement) {
        announcement.encode(key, self.wire.out());
    }

    /// Writes a PING, to be sent by the next flush, to test the connection.
    pub(in crate::node) fn write_ping(&mut self) {
        resp::command(self.wire.out(), |ping| {
            ping.arg("PING");
        });
    }

    /// Writes a login with new credentials, if a provider has any, to be sent by the next flush. Returns whether it did, or the reason for which
    /// it could not although it should.
    pub(in crate::node) fn write_new_login(&mut self, cx: &mut Context<'_>) -> Result<bool, Fault> {
        let Some(new_logins) = &mut self.new_logins else {
            return Ok(false);
        };
        let Poll::Ready(next) = new_logins.poll_next(cx) else {
            return Ok(false);
        };
        self.login = Login::from(&next?);
        self.wire.logs_in_again(&self.login);
        login::write_again(&self.login, self.wire.out());
        Ok(true)
    }

    /// Why the server refused the login that was written last, if it did.
    pub(in crate::node) fn read_new_login(&mut self, reply: &Value) -> Result<(), Fault> {
        let Value::ServerError(error) = reply else {
            return Ok(());
        };
        if let Some(new_logins) = &mut self.new_logins {
            new_logins.refused();
        }
        let fault = resp::server_fault(error);
        Err(login::without_secrets(&self.login, &fault))
    }

    /// Writes what has to precede an [importing](Step::is_importing) command.
    pub(in crate::node) fn write_asking(&mut self) {
        resp::command(self.wire.out(), |asking| {
            asking.arg("ASKING");
        });
    }

    /// Writes the rollback of `request`, if sending the request a second time would do harm.
    /// Returns whether it wrote anything.
    pub(in crate::node) fn write_rollback(&mut self, request: &Request) -> bool {
        let Some(command) = request.command.rollback() else {
            return false;
        };
        let rollback = Request {
            key: Arc::clone(&request.key),
            command,
        };
        // With its source: the reply of a server that does not know the script would not be read.
        self.write(&rollback, Step::FIRST.with_source());
        true
    }

    /// How long the handshake took.
    pub(in crate::node) fn round_trip(&self) -> Duration {
        self.info.answered.map_or(Duration::ZERO, |(_, trip)| trip)
    }

    /// Ready with the cause when another server has replaced this one.
    pub(in crate::node) fn poll_replaced(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        #[cfg(feature = "sentinel")]
        if let Some(watch) = &mut self.watch {
            return watch.poll_replaced(cx);
        }
        let _ = cx;
        Poll::Pending
    }

    /// Why the server's votes do not count, if it may have been replaced.
    pub(in crate::node) fn unconfirmed(&self, now: clock::Instant) -> Option<Fault> {
        #[cfg(feature = "sentinel")]
        if let Some(watch) = &self.watch {
            return watch.unconfirmed(now);
        }
        let _ = now;
        None
    }

    /// Sends what was written. Ready when everything was sent.
    pub(in crate::node) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.wire.poll_flush(cx)
    }

    pub(in crate::node) fn poll_incoming(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Incoming, Fault>> {
        loop {
            match std::task::ready!(self.wire.poll_answer(cx))? {
                Value::Push { kind, data } => {
                    if kind == redis::PushKind::Message
                        && let Some((key, by)) = command::decode_notification(&data)
                    {
                        return Poll::Ready(Ok(Incoming::Free { key, by }));
                    }
                    if kind == redis::PushKind::Invalidate && data == [Value::Nil] {
                        return Poll::Ready(Ok(Incoming::Emptied));
                    }
                }
                answer => return Poll::Ready(Ok(Incoming::Answer(answer))),
            }
        }
    }
}

fn write_identity_queries(out: &mut Vec<u8>) {
    for question in [
        &["INFO", "server"][..],
        &["INFO", "replication"],
        &["TIME"],
        &["CONFIG", "GET", "maxmemory-policy"],
    ] {
        resp::command(out, |command| {
            command.args(question);
        });
    }
}

/// Reads the replies to [`write_identity_queries`].
async fn read_identity(wire: &mut Wire) -> Result<Info, Fault> {
    let server = needed("INFO", wire).await?;
    let replication = needed("INFO", wire).await?;
    let time = needed("TIME", wire).await?;
    let mut info = Info::from_text(&resp::text(&server), &resp::text(&replication));
    info.note_refusal(Optional::Info, &server);
    info.note_refusal(Optional::Info, &replication);
    info.note_refusal(Optional::Time, &time);
    info.time = resp::time(&time);
    let eviction = wire.next().await?;
    info.note_refusal(Optional::Config, &eviction);
    info.eviction = resp::setting(&eviction);
    Ok(info)
}

/// The reply to a command, unless the server cannot serve at all. One that it does not know, or that the user may not
/// send, is done without.
async fn needed(command: &str, wire: &mut Wire) -> Result<Value, Fault> {
    let reply = wire.next().await?;
    if let Value::ServerError(error) = &reply {
        let fault = resp::server_fault(error);
        if !matches!(fault.kind, FaultKind::Permission | FaultKind::Unsupported) {
            return Err(Fault::untouched(fault.kind, format!("{command}: {fault}")));
        }
    }
    Ok(reply)
}

/// Reads the replies to `PUBLISH`, `SUBSCRIBE` and the last command, `HELLO`, which did not fail before: `SUBSCRIBE` has a reply
/// only if it fails. If one of the two is refused, waiters try for themselves: other clients usually have the same user.
async fn subscribed(info: &mut Info, wire: &mut Wire) -> Result<bool, Fault> {
    let published = wire.next().await?;
    let reply = wire.next().await?;
    if matches!(reply, Value::ServerError(_)) {
        info.note_refusal(Optional::Subscribe, &reply);
        wire.next().await?;
        return Ok(false);
    }
    info.note_refusal(Optional::Publish, &published);
    Ok(!info.refuses(Optional::Publish))
}
