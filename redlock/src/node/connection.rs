//! A lane: the one connection to one node.
//!
//! It takes whatever operations wait and sends them with one write, behind those that are on their way already,
//! so a busy client pays for a write and a read once per batch. Operations keep their order: a release that was
//! submitted after its acquire reaches the node after it.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::{
    NodeState, Nodes, Operation, Strict,
    backlog::Backlog,
    first_contact::FirstContact,
    in_flight::{InFlight, InFlightCommand, Own, runtime_ended},
    lists::{ANNOUNCED, Announced, Lists, is_passing},
    notifications,
    redis::{Incoming, Link, Subscription, Target},
    state::Forgot,
};
use crate::command::{self, Answer, NodeRecord, Reply, Request, Step};
use crate::fault::{Fault, FaultKind};
use crate::resp::Value;
use crate::{
    env::{clock::Clock, sync::lock},
    events::node as events,
};

/// The most operations that wait for their answers at a time.
const MOST_SENT: usize = 1_024;
/// With so many written at a time, a client is busy.
const BUSY: usize = 5;
/// With so many on their way, further ones wait until they are some as well: the server is busy with those, and larger
/// batches cost both sides less.
const CROWDED: usize = 64;
/// After this many node time-outs of silence the connection is given up.
const GIVE_UP: u32 = 4;
/// How many releases that were answered by errors are sent again at a time.
const RETRY_BATCH: usize = 64;
/// The first pause before connecting again; it doubles up to [`PAUSE_MOST`].
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_MOST: Duration = Duration::from_secs(1);
/// A second connection beside a silent one is tried for at least this often.
const STANDBY_PAUSE_MOST: Duration = Duration::from_millis(100);
/// For this long after a failed attempt to connect the node counts as unreachable; who asks later makes the lane try
/// again at once.
const KNOWN_DOWN: Duration = Duration::from_millis(50);
/// A connection that ended is made anew at once, so that nobody notices. Not more often than this in a row when none of
/// them was of use, or lived for [`PAUSE_MOST`].
const MOST_QUICK: u32 = 5;
/// A connection on which nothing was heard for this long is tried with a PING.
const IDLE: Duration = Duration::from_secs(30);
/// How soon the list is announced again to a node that cannot answer now.
const ASKED_AGAIN: Duration = Duration::from_millis(200);
/// Silence is not doubted earlier than this, however short the ttl that an operation asks for.
const LEAST_DOUBT: Duration = Duration::from_millis(10);

/// The handle to a lane. Dropped: the task sends what waits and ends.
#[derive(Debug)]
pub(super) struct Connection(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    index: usize,
    target: Target,
    /// The server is one of a Redis Cluster that is the node: redirections are followed.
    is_redirected: bool,
    state: Arc<NodeState>,
    nodes: Weak<Nodes>,
    lists: Arc<Lists>,
    clock: Clock,
    timeout: Duration,
    /// How long deferred releases are still delivered once the client is gone.
    linger: Duration,
    retention: Duration,
    strict: Option<Strict>,
    inbox: Arc<str>,
    contact: Arc<FirstContact>,
    channel: String,
    /// Whether the server tells the inbox what is free.
    is_subscribed: AtomicBool,
    /// The runtime has ended.
    ended: AtomicBool,
    backlog: Mutex<Backlog>,
    wake: AtomicWaker,
    /// Many operations were written at a time lately, so others are about to come.
    busy: AtomicBool,
}

/// What a lane does; to be polled until it ends.
pub(super) struct ConnectionTask {
    run: Pin<Box<dyn Future<Output = ()> + Send>>,
    shared: Arc<Shared>,
}

impl ConnectionTask {
    /// Whether more operations are likely to come at once.
    pub(super) fn is_busy(&self) -> bool {
        self.shared.busy.load(Relaxed)
    }
}

impl Future for ConnectionTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.run.as_mut().poll(cx)
    }
}

impl Connection {
    pub(super) fn start(
        nodes: &Arc<Nodes>,
        index: usize,
        state: &Arc<NodeState>,
        target: &Target,
        inbox: &Arc<str>,
        contact: &Arc<FirstContact>,
    ) -> (Self, ConnectionTask) {
        let shared = Arc::new(Shared {
            index,
            target: target.clone(),
            is_redirected: nodes.places[index].is_cluster(),
            state: Arc::clone(state),
            nodes: Arc::downgrade(nodes),
            lists: Arc::clone(&nodes.lists),
            clock: nodes.clock,
            timeout: nodes.timeout,
            linger: nodes.max_ttl,
            retention: nodes.retention,
            strict: nodes.strict.clone(),
            inbox: Arc::clone(inbox),
            contact: Arc::clone(contact),
            channel: nodes.channel.clone(),
            is_subscribed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            backlog: Mutex::new(Backlog::default()),
            wake: AtomicWaker::new(),
            busy: AtomicBool::new(false),
        });
        let task = ConnectionTask {
            run: Box::pin(run(Ending(Arc::clone(&shared)))),
            shared: Arc::clone(&shared),
        };
        (Self(shared), task)
    }

    pub(super) fn submit(&self, op: Operation) {
        self.0.submit(op);
    }

    /// There is more to say than what was submitted.
    pub(super) fn wake(&self) {
        self.0.wake.wake();
    }

    /// The node's deferred releases, for its successor.
    #[cfg(feature = "cluster")]
    pub(super) fn take_deferred(&self) -> impl Iterator<Item = Operation> + use<> {
        lock(&self.0.backlog).take_deferred().into_iter()
    }

    pub(super) fn is_subscribed(&self) -> bool {
        self.0.is_subscribed.load(Relaxed)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        lock(&self.0.backlog).close(self.0.clock.now(), self.0.linger);
        self.0.wake.wake();
    }
}

impl Shared {
    fn submit(&self, op: Operation) {
        let pushed = lock(&self.backlog).push(op, || self.clock.now());
        match pushed {
            // Whoever came before has woken the task.
            Ok(false) => {}
            Ok(true) => self.wake.wake(),
            Err((op, fault)) => {
                if self.ended.load(Relaxed) {
                    self.pass_on();
                }
                op.answer(Reply::Failed(fault));
            }
        }
    }

    /// The runtime has ended: another one delivers what is deferred here.
    fn pass_on(&self) {
        let deferred = lock(&self.backlog).take_deferred();
        if let Some(nodes) = self.nodes.upgrade() {
            nodes.outbox.push(deferred);
        }
    }

    /// The server told that `by` released `key`.
    fn free(&self, key: &str, by: String) {
        let Some(nodes) = self.nodes.upgrade() else {
            return;
        };
        // Nobody waits here any more: the next one should know.
        if !nodes.notifications.ring(key, &by, self.index)
            && let Some(sink) = notifications::leaving(key, &self.inbox, by)
        {
            self.submit(Operation {
                sink,
                node: self.index,
            });
        }
    }

    /// What is to be announced to the node now.
    fn announcement(&self) -> Announced {
        self.lists
            .announcement(self.index, self.clock.now(), rand::random())
    }

    /// The node answered an announcement.
    fn introduced(&self, said: &Announced, answer: Result<NodeRecord, Fault>) {
        let (now, version) = (self.clock.now(), self.lists.version());
        let forgot = match answer {
            Ok(introduction) => {
                if let Some(ago) = introduction.emptied {
                    self.state.was_emptied(now.before(ago));
                }
                self.lists.introduced(self.index, said, introduction, now)
            }
            Err(fault) => {
                self.lists.not_introduced(self.index, said, &fault, now);
                false
            }
        };
        if forgot {
            self.forgot(Forgot::Emptied);
        }
        if self.lists.version() != version
            && let Some(nodes) = self.nodes.upgrade()
        {
            nodes.announce();
        }
    }

    /// The node may have forgotten locks.
    fn forgot(&self, why: Forgot) {
        if let Some(nodes) = self.nodes.upgrade() {
            nodes.forget(&self.state, why);
        }
    }

    /// There is another connection now, or none. Notifications over the one before may be lost: who waits looks.
    fn replace_ear(&self, is_subscribed: bool) {
        if self.is_subscribed.swap(is_subscribed, Relaxed)
            && let Some(nodes) = self.nodes.upgrade()
        {
            nodes.notifications.interrupted();
        }
    }

    /// The node cannot be asked: whoever waits is told, and what must not be lost is kept. Who asks within `known_for`
    /// is told the same.
    fn block(&self, fault: &Fault, known_for: Duration) {
        self.replace_ear(false);
        self.state.went_down(fault);
        self.lists.look_again(self.clock.now());
        let turned_away = lock(&self.backlog).block(fault, self.clock.now(), known_for);
        for op in turned_away {
            op.answer(Reply::Failed(fault.clone()));
        }
    }

    /// The node can be asked again. What must not be lost goes first.
    fn unblock(&self) {
        let mut backlog = lock(&self.backlog);
        let deferred = backlog.deferred();
        backlog.unblock(self.clock.now());
        drop(backlog);
        if deferred > 0 {
            events::deferred_releases_sent(self.state.name(), deferred);
        }
    }

    /// Waits before the next attempt to connect: for the pause, or until somebody asks for the node.
    async fn rest(&self, pause: Duration) {
        let asked_for = poll_fn(|cx| {
            self.wake.register(cx.waker());
            match lock(&self.backlog).is_asked_for() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        });
        let _ = timeout(pause, asked_for).await;
    }

    /// Whether the lane was closed and has nothing left to do.
    fn is_done(&self) -> bool {
        let backlog = lock(&self.backlog);
        let done = backlog.is_done(self.clock.now());
        let undelivered = backlog.deferred();
        drop(backlog);
        if done && undelivered > 0 {
            events::deferred_releases_dropped(self.state.name(), undelivered);
        }
        done
    }

    /// `op` was on its way when the connection went.
    fn lost(&self, op: &Operation, fault: &Fault) {
        let fault = Fault::unknown(fault.kind, fault.text.clone());
        lock(&self.backlog).defer(op.clone(), self.clock.now());
        op.answer(Reply::Failed(fault));
    }
}

/// Ends the lane when its task is dropped, be it by a runtime that shuts down.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        let gone = runtime_ended();
        // Not in the head of the loop, which would keep the lock: the last handle to the nodes may go with an operation,
        // and with it this lane, which locks too.
        let turned_away = lock(&self.0.backlog).block(&gone, self.0.clock.now(), Duration::MAX);
        self.0.ended.store(true, Relaxed);
        self.0.pass_on();
        for op in turned_away {
            op.answer(Reply::Failed(gone.clone()));
        }
    }
}

/// What was in flight on a connection that is gone. Dropped, as by a runtime that ends: releases are deferred.
struct Unanswered<'a> {
    shared: &'a Shared,
    sent: InFlight,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        let gone = runtime_ended();
        for asked in self.sent.drain() {
            self.shared.lost(&asked.op, &gone);
        }
    }
}

/// The life of a lane: connect, serve, and again.
async fn run(ending: Ending) {
    let shared = &ending.0;
    let mut pause = PAUSE;
    let mut quick = 0;
    // What was in flight on the connection before.
    let mut unanswered = Unanswered {
        shared,
        sent: InFlight::default(),
    };
    loop {
        let started = Instant::now();
        let connected = connect(shared).await;
        shared.contact.attempted(shared.index, connected.is_ok());
        let fault = match connected {
            Ok(link) => {
                shared.unblock();
                pause = PAUSE;
                let connected = Instant::now();
                let served = serve(shared, link, std::mem::take(&mut unanswered.sent));
                let Some(End {
                    fault,
                    in_flight,
                    of_use,
                }) = served.await
                else {
                    return;
                };
                unanswered.sent = in_flight;
                quick = match of_use || connected.elapsed() >= PAUSE_MOST {
                    true => 0,
                    false => quick + 1,
                };
                if quick < MOST_QUICK && !lock(&shared.backlog).is_blocked() {
                    events::connection_lost(shared.state.name(), &fault);
                    continue;
                }
                fault
            }
            Err(fault) => fault,
        };
        for asked in unanswered.sent.drain() {
            shared.lost(&asked.op, &fault);
        }
        // What refused us will not change its mind within moments; who could not be reached may be back.
        let known_for = match fault.kind {
            FaultKind::Unreachable | FaultKind::TimedOut => {
                started.elapsed().clamp(KNOWN_DOWN, PAUSE_MOST)
            }
            _ => PAUSE_MOST,
        };
        shared.block(&fault, known_for);
        if shared.is_done() {
            return;
        }
        shared.rest(jittered(pause)).await;
        pause = (pause * 2).min(PAUSE_MOST);
    }
}

/// A new connection to a node that may vote.
async fn connect(shared: &Shared) -> Result<Link, Fault> {
    let inbox = Subscription {
        channel: &shared.channel,
        name: &shared.inbox,
    };
    let (retention, strict) = (shared.retention, shared.strict.as_ref());
    let said = shared.announcement();
    let announced = (&*shared.lists.record, &said.announcement);
    let link = Link::open(&shared.target, retention, strict, inbox, announced).await?;
    shared.introduced(&said, link.record.clone());
    if let Some(nodes) = shared.nodes.upgrade() {
        nodes.record_handshake(shared.index, &shared.state, &link.info);
    }
    shared.lists.look_again(shared.clock.now());
    // A replica may be promoted, an address may lead elsewhere: who it is is asked again and again.
    shared.state.barred().map_or(Ok(link), Err)
}

/// Tries to connect until it succeeds.
async fn connect_beside(shared: &Shared) -> Link {
    let mut pause = PAUSE;
    loop {
        if let Ok(link) = connect(shared).await {
            return link;
        }
        sleep(jittered(pause)).await;
        pause = (pause * 2).min(STANDBY_PAUSE_MOST);
    }
}

/// What to do about a redirection by a node that is written as a single server.
fn with_scheme(fault: Fault) -> Fault {
    Fault {
        text: format!(
            "{fault}: the server is one of a Redis Cluster, write the node's address as redis+cluster://host,host2"
        )
        .into(),
        ..fault
    }
}

fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + rand::random::<f64>() / 2.0)
}

/// Why a connection ended, and what was in flight on it.
struct End {
    fault: Fault,
    in_flight: InFlight,
    /// The server answered something on it.
    of_use: bool,
}

/// Sends and delivers until the connection ends (why), or nothing is left to do for a lane that was closed (`None`).
/// What was `unanswered` on the connection before is asked once more.
async fn serve(shared: &Shared, link: Link, unanswered: InFlight) -> Option<End> {
    shared.replace_ear(link.is_subscribed);
    let now = Instant::now();
    let mut serving = Serving {
        shared,
        link,
        taken: Vec::new(),
        again: InFlight::default(),
        sent: InFlight::default(),
        unknown: false,
        since: now,
        heard: now,
        doubt: shared.timeout / 2,
        silence: Silence::None,
        standby: None,
        announced: 0,
        announce_at: now + jittered(ANNOUNCED),
        is_due: false,
        retry: None,
        retry_pause: PAUSE,
    };
    serving.ask_again(unanswered);
    let mut silence = pin!(sleep(shared.timeout));
    let mut idle = pin!(sleep(IDLE));
    let fault = poll_fn(|cx| serving.poll(cx, silence.as_mut(), idle.as_mut())).await?;
    let in_flight = serving.in_flight();
    Some(End {
        fault,
        in_flight,
        of_use: serving.heard > now,
    })
}

/// A lane with a connection.
struct Serving<'a> {
    shared: &'a Shared,
    link: Link,
    /// Taken from the backlog and not sent.
    taken: Vec<Operation>,
    /// To be asked again.
    again: InFlight,
    /// What waits for its answer, in the order of sending.
    sent: InFlight,
    /// Some of both may be asked once more since the server did not know their script.
    unknown: bool,
    /// Since when the server has said nothing, while it is asked something.
    since: Instant,
    /// When it said something last.
    heard: Instant,
    /// How long a silence is before it is doubted, by what is in flight.
    doubt: Duration,
    silence: Silence,
    /// The connection that is made beside this one while it is silent.
    standby: Option<Pin<Box<dyn Future<Output = Link> + Send + 'a>>>,
    /// Which version of the list was announced.
    announced: u64,
    /// When it is announced anew.
    announce_at: Instant,
    is_due: bool,
    /// When releases that were answered by errors are sent again.
    retry: Option<Pin<Box<Sleep>>>,
    retry_pause: Duration,
}

/// How long the answer to `request` is waited for without doubt: half of the time that it has.
fn doubt(request: &Request, limit: Duration, round_trip: Duration) -> Duration {
    let ttl = request.command.ttl();
    let patience = ttl.map_or(limit, |ttl| limit.min(ttl / 4));
    let least = LEAST_DOUBT.max(round_trip * 2);
    (patience / 2).max(least).min(limit)
}

/// How far a silence has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Silence {
    None,
    /// The connection may be dead without anybody knowing, as a NAT or a load balancer leaves one that was quiet: a
    /// second one is made beside it, and what is in flight is asked there if the first stays silent.
    Doubted,
    /// It has lasted for a node time-out. Nothing more is sent until the server speaks.
    Suspect,
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        drop(Unanswered {
            shared: self.shared,
            sent: self.in_flight(),
        });
    }
}

impl<'a> Serving<'a> {
    /// Ready with why the connection should end, or with `None` where nothing is left to do.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut silence: Pin<&mut Sleep>,
        mut idle: Pin<&mut Sleep>,
    ) -> Poll<Option<Fault>> {
        self.shared.wake.register(cx.waker());
        loop {
            self.poll_retry(cx);
            if let Err(fault) = self.poll_link(cx) {
                return Poll::Ready(Some(fault));
            }
            if let Some(standby) = &mut self.standby
                && let Poll::Ready(link) = standby.as_mut().poll(cx)
            {
                self.take_over(link);
                continue;
            }
            if !self.sent.is_empty() {
                match self.poll_silence(cx, silence.as_mut()) {
                    Poll::Ready(Ok(())) => continue,
                    Poll::Ready(Err(fault)) => return Poll::Ready(Some(fault)),
                    Poll::Pending => return Poll::Pending,
                }
            }
            if self.shared.is_done() {
                return Poll::Ready(None);
            }
            std::task::ready!(self.poll_idle(cx, idle.as_mut()));
            self.since = Instant::now();
            if self.since >= self.announce_at {
                self.is_due = true;
                continue;
            }
            self.link.write_ping();
            self.sent.push_own(Own::Word);
        }
    }

    /// Sends what waits and delivers what has come, until there is nothing more of either.
    fn poll_link(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        if let Poll::Ready(fault) = self.link.poll_replaced(cx) {
            return Err(fault);
        }
        loop {
            self.fill();
            if let Poll::Ready(Err(fault)) = self.link.poll_flush(cx) {
                return Err(fault);
            }
            // There is room for more, and there may be more to say.
            if !self.read(cx)? {
                return Ok(());
            }
        }
    }

    /// A release that is answered by an error is no release: it is sent again, after a pause.
    fn keep_unless_done(&mut self, op: &Operation, reply: &Reply) {
        match reply {
            Reply::Failed(fault) if self.shared.is_redirected && fault.kind == FaultKind::Moved => {
            }
            Reply::Failed(fault) if !fault.is_final() => {
                let now = self.shared.clock.now();
                lock(&self.shared.backlog).defer(op.clone(), now);
                let pause = self.retry_pause;
                self.retry
                    .get_or_insert_with(|| Box::pin(sleep(jittered(pause))));
            }
            _ => self.retry_pause = PAUSE,
        }
    }

    /// Sends deferred releases again when their pause is over: some, so that a node that answers all of them with errors
    /// is not flooded.
    fn poll_retry(&mut self, cx: &mut Context<'_>) {
        while let Some(retry) = &mut self.retry
            && self.silence != Silence::Suspect
            && retry.as_mut().poll(cx).is_ready()
        {
            self.retry = None;
            self.retry_pause = (self.retry_pause * 2).min(PAUSE_MOST);
            let now = self.shared.clock.now();
            if lock(&self.shared.backlog).retry(RETRY_BATCH, now) {
                self.retry = Some(Box::pin(sleep(jittered(self.retry_pause))));
            }
        }
    }

    /// Ready when a silence has come further, or with why the connection should end.
    fn poll_silence(
        &mut self,
        cx: &mut Context<'_>,
        mut silence: Pin<&mut Sleep>,
    ) -> Poll<Result<(), Fault>> {
        let limit = self.shared.timeout;
        let patience = match self.silence {
            Silence::None => self.doubt,
            Silence::Doubted => limit,
            Silence::Suspect => limit * GIVE_UP,
        };
        let end = self.since + patience;
        // The timer is set anew only when it rings, which is seldom.
        if silence.deadline() > end {
            silence.as_mut().reset(end);
        }
        loop {
            std::task::ready!(silence.as_mut().poll(cx));
            if Instant::now() >= end {
                break;
            }
            silence.as_mut().reset(end);
        }
        let fault = || {
            Fault::untouched(
                FaultKind::TimedOut,
                format!("no answer within {} ms", limit.as_millis()),
            )
        };
        match self.silence {
            Silence::None => {
                self.silence = Silence::Doubted;
                self.standby = Some(Box::pin(connect_beside(self.shared)));
            }
            Silence::Doubted => {
                self.silence = Silence::Suspect;
                self.shared.block(&fault(), Duration::MAX);
            }
            Silence::Suspect => return Poll::Ready(Err(fault())),
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when the server has said nothing for long.
    fn poll_idle(&self, cx: &mut Context<'_>, mut idle: Pin<&mut Sleep>) -> Poll<()> {
        let end = self.announce_at.min(self.heard + IDLE);
        if idle.deadline() > end {
            idle.as_mut().reset(end);
        }
        loop {
            std::task::ready!(idle.as_mut().poll(cx));
            if Instant::now() >= end {
                return Poll::Ready(());
            }
            idle.as_mut().reset(end);
        }
    }

    /// Goes on with another connection, on which what was in flight is asked once more.
    fn take_over(&mut self, link: Link) {
        events::connection_replaced(self.shared.state.name());
        self.shared.replace_ear(link.is_subscribed);
        self.link = link;
        let in_flight = self.in_flight();
        self.has_spoken();
        self.ask_again(in_flight);
    }

    /// The server is there, or there again.
    fn has_spoken(&mut self) {
        let now = Instant::now();
        self.heard = now;
        // Whatever came, what is behind it has not been waited for yet.
        self.since = now;
        self.is_due |= now >= self.announce_at;
        self.standby = None;
        if std::mem::replace(&mut self.silence, Silence::None) == Silence::Suspect {
            self.shared.state.came_back();
            self.shared.unblock();
        }
    }

    /// Whether a command was carried out, nobody knows that lost its answer with the connection. Each may arrive twice:
    /// it does the same again, or finds its token stale. What was lost twice is given up.
    fn ask_again(&mut self, in_flight: InFlight) {
        let lost = Fault::unknown(FaultKind::Unreachable, "the connection was lost twice");
        for InFlightCommand { op, again, .. } in in_flight.into_ops() {
            if again || !op.sink.wanted() {
                self.shared.lost(&op, &lost);
                continue;
            }
            op.sink.asked_again(op.node);
            self.again.push(InFlightCommand {
                step: first_step(&op),
                op,
                again: true,
            });
        }
    }

    /// What has no answer yet, in the order in which it was asked.
    fn in_flight(&mut self) -> InFlight {
        let mut in_flight = std::mem::take(&mut self.again);
        in_flight.append(&mut self.sent);
        in_flight
    }

    /// Writes an announcement. The answer comes before that of whatever is written behind it.
    fn announce(&mut self) {
        let said = self.shared.announcement();
        self.announced = said.version;
        self.announce_at = Instant::now() + jittered(ANNOUNCED);
        self.is_due = false;
        self.doubt = self.doubt.min(self.shared.timeout / 2);
        self.link
            .write_announcement(&self.shared.lists.record, &said.announcement);
        self.sent.push_own(Own::Announcement(Box::new(said)));
    }

    /// Writes what waits, as far as there is room on the way.
    fn fill(&mut self) {
        let (limit, round_trip) = (self.shared.timeout, self.link.round_trip());
        if self.silence == Silence::Suspect || self.sent.len() >= MOST_SENT {
            return;
        }
        if self.sent.is_empty() {
            self.since = Instant::now();
            self.doubt = limit;
            self.is_due |= self.since >= self.announce_at;
        }
        if self.is_due || self.announced != self.shared.lists.version() {
            self.announce();
        }
        for asked in self.again.drain() {
            let request = asked.op.sink.request();
            self.doubt = self.doubt.min(doubt(request, limit, round_trip));
            if asked.again && asked.step == Step::FIRST && self.link.write_undo(request) {
                self.sent.push_own(Own::Word);
            }
            write(&mut self.link, &mut self.sent, asked);
        }
        // Until there is nothing left or no room: of those that wait, nobody may want any.
        loop {
            let sent = self.sent.len();
            let room = MOST_SENT.saturating_sub(sent);
            let least = if sent < CROWDED { 1 } else { sent / 4 };
            lock(&self.shared.backlog).take(&mut self.taken, least, room);
            if self.taken.is_empty() {
                return;
            }
            self.shared.busy.store(self.taken.len() >= BUSY, Relaxed);
            for op in self.taken.drain(..) {
                if op.sink.wanted() {
                    let request = op.sink.request();
                    self.doubt = self.doubt.min(doubt(request, limit, round_trip));
                    op.sink.sent(op.node);
                    let asked = InFlightCommand {
                        step: first_step(&op),
                        op,
                        again: false,
                    };
                    write(&mut self.link, &mut self.sent, asked);
                } else {
                    op.answer(Reply::Failed(Fault::untouched(
                        FaultKind::TimedOut,
                        "given up before it was sent",
                    )));
                }
            }
        }
    }

    /// Hands what has come to whom it concerns. Says whether anything did.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, Fault> {
        let Poll::Ready(first) = self.link.poll_incoming(cx) else {
            return Ok(false);
        };
        let (now, barred) = (self.shared.clock.now(), self.shared.state.barred());
        let unconfirmed = || self.shared.strict.as_ref().and(self.link.unconfirmed(now));
        let barred = barred.or_else(unconfirmed);
        let mut next = first;
        loop {
            match next? {
                Incoming::Answer(said) => self.deliver(&said, now, barred.as_ref())?,
                Incoming::Free { key, by } => self.shared.free(&key, by),
                Incoming::Emptied => {
                    self.shared.lists.doubt(self.shared.index);
                    self.shared.forgot(Forgot::Emptied);
                    self.is_due = true;
                }
            }
            match self.link.poll_incoming(cx) {
                Poll::Ready(incoming) => next = incoming,
                Poll::Pending => break,
            }
        }
        self.has_spoken();
        Ok(true)
    }

    /// Whether what ended a hold of the key before `op` will be carried out behind it: its script was unknown. Then the
    /// holder is no longer one, and `op` is asked once more behind that.
    fn is_overtaken(&mut self, op: &Operation) -> bool {
        if !self.unknown {
            return false;
        }
        let key = &op.sink.request().key;
        let asked = self.again.asked().chain(self.sent.asked());
        let mut by_source = asked.filter(|asked| asked.step.has_source()).peekable();
        self.unknown = by_source.peek().is_some();
        by_source.any(|before| {
            let request = before.op.sink.request();
            request.command.ends_a_hold() && request.key == *key
        })
    }

    /// Hands an answer to its round. The error: why the connection should be made anew.
    fn deliver(
        &mut self,
        said: &Value,
        now: crate::env::clock::Instant,
        barred: Option<&Fault>,
    ) -> Result<(), Fault> {
        let Some(asked) = self.sent.pop() else {
            return Err(Fault::unknown(
                FaultKind::Other,
                "the server answered more than it was asked",
            ));
        };
        let InFlightCommand { op, step, again } = match asked {
            Ok(asked) => asked,
            Err(Own::Word) => return Ok(()),
            Err(Own::Announcement(asked)) => {
                let said = NodeRecord::decode(said);
                if said.as_ref().is_err_and(is_passing) {
                    self.announce_at = Instant::now() + jittered(ASKED_AGAIN);
                }
                self.shared.introduced(&asked, said);
                return Ok(());
            }
        };
        let answer = command::decode(op.sink.request(), step, said);
        if answer.shows_a_holder() && self.is_overtaken(&op) {
            let step = first_step(&op);
            self.again.push(InFlightCommand { op, step, again });
            return Ok(());
        }
        let reply = match answer {
            Answer::Next(step) => {
                self.unknown |= step.has_source();
                self.again.push(InFlightCommand { op, step, again });
                return Ok(());
            }
            Answer::Saw(sight) => {
                op.sink.observed(op.node, sight);
                op.answer(Reply::Yes);
                return Ok(());
            }
            Answer::Vote(Reply::Failed(fault))
                if fault.kind == FaultKind::Moved && !self.shared.is_redirected =>
            {
                Reply::Failed(with_scheme(fault))
            }
            Answer::Vote(reply) => reply,
        };
        if matches!(reply, Reply::Notified)
            && let Some(nodes) = self.shared.nodes.upgrade()
        {
            nodes.notifications.told().add(op.sink.request().key.lock());
        }
        // Demoted: who the master is, and whether this may vote at all, is asked on connecting.
        let leave = match &reply {
            Reply::Failed(fault) if fault.kind == FaultKind::ReadOnly => Some(fault.clone()),
            _ => None,
        };
        if matches!(&reply, Reply::Failed(fault) if fault.kind == FaultKind::Loading) {
            self.shared.forgot(Forgot::Loads);
        }
        if op.must_arrive() {
            self.keep_unless_done(&op, &reply);
        }
        op.answer(match barred {
            Some(fault) => Reply::Failed(Fault::unknown(fault.kind, fault.text.clone())),
            None => {
                let reply = self.shared.state.apply_quarantine(reply, now);
                let command = &op.sink.request().command;
                self.shared
                    .lists
                    .apply_quarantine(self.shared.index, command, reply, now)
            }
        });
        leave.map_or(Ok(()), Err)
    }
}

fn first_step(op: &Operation) -> Step {
    match op.sink.is_importing() {
        true => Step::IMPORTING,
        false => Step::FIRST,
    }
}

/// Writes the command of an operation behind those that were sent.
fn write(link: &mut Link, sent: &mut InFlight, asked: InFlightCommand) {
    if asked.step.is_importing() {
        link.write_asking();
        sent.push_own(Own::Word);
    }
    let request = asked.op.sink.request();
    let step = link.known_step(request, asked.step);
    link.write(request, step);
    sent.push(InFlightCommand { step, ..asked });
}
