//! A lane: the one connection to one node.
//!
//! It takes whatever operations wait and sends them with one write, behind those that are on their way already,
//! so a busy client pays for a write and a read once per batch. Operations keep their order: a release that was
//! submitted after its acquire reaches the node after it.

use std::{
    collections::VecDeque,
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
    Fault, FaultKind, NodeState, Nodes, Op, Reply, Strict,
    backlog::Backlog,
    redis::{Answer, Inbox, Incoming, Link, Step, Target, Value},
    wake,
};
use crate::{clock::Clock, sync::lock};

/// The most operations that wait for their answers at a time.
const MOST_SENT: usize = 1_024;
/// With so many written at a time, a client is busy.
const BUSY: usize = 5;
/// With so many on their way, further ones wait until they are some as well: the server is busy with those, and larger
/// batches cost both sides less.
const CROWDED: usize = 64;
/// After this many node time-outs of silence the connection is given up.
const GIVE_UP: u32 = 4;
/// The first pause before connecting again; it doubles up to [`PAUSE_MOST`].
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_MOST: Duration = Duration::from_secs(1);

/// The handle to a lane. Dropped: the task sends what waits and ends.
#[derive(Debug)]
pub(super) struct Lane(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    index: usize,
    target: Target,
    state: Arc<NodeState>,
    nodes: Weak<Nodes>,
    clock: Clock,
    timeout: Duration,
    retention: Duration,
    strict: Option<Strict>,
    inbox: Arc<str>,
    channel: String,
    /// Whether the server tells the inbox what is free.
    hears: AtomicBool,
    backlog: Mutex<Backlog>,
    wake: AtomicWaker,
    /// Many operations were written at a time lately, so others are about to come.
    busy: AtomicBool,
}

/// What a lane does; to be polled until it ends.
pub(super) struct Life {
    run: Pin<Box<dyn Future<Output = ()> + Send>>,
    shared: Arc<Shared>,
}

impl Life {
    /// Whether more operations are likely to come at once.
    pub(super) fn is_busy(&self) -> bool {
        self.shared.busy.load(Relaxed)
    }
}

impl Future for Life {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.run.as_mut().poll(cx)
    }
}

impl Lane {
    pub(super) fn start(
        nodes: &Arc<Nodes>,
        index: usize,
        state: &Arc<NodeState>,
        target: &Target,
        inbox: &Arc<str>,
    ) -> (Self, Life) {
        let shared = Arc::new(Shared {
            index,
            target: target.clone(),
            state: Arc::clone(state),
            nodes: Arc::downgrade(nodes),
            clock: nodes.clock,
            timeout: nodes.timeout,
            retention: nodes.retention,
            strict: nodes.strict.clone(),
            inbox: Arc::clone(inbox),
            channel: nodes.channel.clone(),
            hears: AtomicBool::new(false),
            backlog: Mutex::new(Backlog::default()),
            wake: AtomicWaker::new(),
            busy: AtomicBool::new(false),
        });
        let life = Life {
            run: Box::pin(run(Ending(Arc::clone(&shared)))),
            shared: Arc::clone(&shared),
        };
        (Self(shared), life)
    }

    pub(super) fn submit(&self, op: Op) {
        self.0.submit(op);
    }

    /// The releases that the node is owed, for its successor.
    #[cfg(feature = "cluster")]
    pub(super) fn hand_over(&self) -> impl Iterator<Item = Op> + use<> {
        lock(&self.0.backlog).hand_over().into_iter()
    }

    pub(super) fn hears(&self) -> bool {
        self.0.hears.load(Relaxed)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        lock(&self.0.backlog).close();
        self.0.wake.wake();
    }
}

impl Shared {
    fn submit(&self, op: Op) {
        let pushed = lock(&self.backlog).push(op, self.clock);
        match pushed {
            // Whoever came before has woken the task.
            Ok(false) => {}
            Ok(true) => self.wake.wake(),
            Err((op, fault)) => op.answer(Reply::Failed(fault)),
        }
    }

    /// The server told that `by` released `key`.
    fn free(&self, key: &str, by: String) {
        let Some(nodes) = self.nodes.upgrade() else {
            return;
        };
        // Nobody waits here any more: the next one should know.
        if !nodes.wakes.ring(key, &by, self.index)
            && let Some(ballot) = wake::leaving(key, &self.inbox, by)
        {
            self.submit(Op {
                ballot,
                node: self.index,
            });
        }
    }

    /// The node cannot be asked: whoever waits is told, and what must not be lost is kept.
    fn block(&self, fault: &Fault) {
        self.hears.store(false, Relaxed);
        self.state.went_down(fault);
        let turned_away = lock(&self.backlog).block(fault, self.clock.now());
        for op in turned_away {
            op.answer(Reply::Failed(fault.clone()));
        }
    }

    /// `op` was on its way when the connection went.
    fn lost(&self, op: &Op, fault: &Fault) {
        let fault = Fault::unknown(fault.kind, fault.text.clone());
        lock(&self.backlog).owe(op.clone(), self.clock.now());
        op.answer(Reply::Failed(fault));
    }
}

/// Ends the lane when its task is dropped, be it by a runtime that shuts down.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        let gone = runtime_ended();
        lock(&self.0.backlog).close();
        // Not in the head of the loop, which would keep the lock: the last handle to the nodes may go with an operation,
        // and with it this lane, which locks too.
        let turned_away = lock(&self.0.backlog).block(&gone, self.0.clock.now());
        for op in turned_away {
            op.answer(Reply::Failed(gone.clone()));
        }
    }
}

/// The life of a lane: connect, serve, and again.
async fn run(ending: Ending) {
    let shared = &ending.0;
    let mut pause = PAUSE;
    loop {
        let inbox = Inbox {
            channel: &shared.channel,
            name: &shared.inbox,
        };
        let (retention, strict) = (shared.retention, shared.strict.as_ref());
        let opening = Link::open(&shared.target, retention, strict, inbox);
        let fault = match timeout(shared.timeout, opening).await {
            Ok(Ok(link)) => {
                if let Some(nodes) = shared.nodes.upgrade() {
                    nodes.admit(shared.index, &shared.state, &link.info);
                }
                match shared.state.barred() {
                    // A replica may be promoted, an address may lead elsewhere: who it is is asked again and again.
                    Some(fault) => fault,
                    None => {
                        lock(&shared.backlog).unblock(shared.clock.now());
                        shared.hears.store(link.hears, Relaxed);
                        pause = PAUSE;
                        match serve(shared, link).await {
                            Some(fault) => fault,
                            None => return,
                        }
                    }
                }
            }
            Ok(Err(fault)) => fault,
            Err(_) => Fault::untouched(
                FaultKind::TimedOut,
                format!("no connection within {} ms", shared.timeout.as_millis()),
            ),
        };
        shared.block(&fault);
        if lock(&shared.backlog).is_done(shared.clock.now()) {
            return;
        }
        sleep(pause.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
        pause = (pause * 2).min(PAUSE_MOST);
    }
}

/// Sends and delivers until the connection ends (why), or nothing is left to do for a lane that was closed (`None`).
async fn serve(shared: &Shared, link: Link) -> Option<Fault> {
    let mut serving = Serving {
        shared,
        link,
        taken: Vec::new(),
        again: Vec::new(),
        sent: Sent::default(),
        since: Instant::now(),
        suspect: false,
    };
    let mut silence = pin!(sleep(shared.timeout));
    let end = poll_fn(|cx| serving.poll(cx, silence.as_mut())).await;
    if let Some(fault) = &end {
        serving.lose(fault);
    }
    end
}

/// A lane with a connection.
struct Serving<'a> {
    shared: &'a Shared,
    link: Link,
    /// Taken from the backlog and not sent.
    taken: Vec<Op>,
    /// To be asked again, at this step.
    again: Vec<(Op, Step)>,
    sent: Sent,
    /// Since when the server has said nothing, while it is asked something.
    since: Instant,
    /// It has been silent for a node time-out. Nothing more is sent until it speaks.
    suspect: bool,
}

/// What waits for its answer, in the order of sending.
#[derive(Default)]
struct Sent(VecDeque<(Op, Step)>);

impl Drop for Sent {
    fn drop(&mut self) {
        for (op, _) in self.0.drain(..) {
            op.answer(Reply::Failed(runtime_ended()));
        }
    }
}

impl Serving<'_> {
    /// Ready with why the connection should end, or with `None` where nothing is left to do.
    fn poll(&mut self, cx: &mut Context<'_>, mut silence: Pin<&mut Sleep>) -> Poll<Option<Fault>> {
        self.shared.wake.register(cx.waker());
        loop {
            self.fill();
            if let Poll::Ready(Err(fault)) = self.link.poll_flush(cx) {
                return Poll::Ready(Some(fault));
            }
            match self.read(cx) {
                Ok(false) => break,
                // There is room for more, and there may be more to say.
                Ok(true) => {}
                Err(fault) => return Poll::Ready(Some(fault)),
            }
        }
        if self.sent.0.is_empty() {
            let now = self.shared.clock.now();
            return match lock(&self.shared.backlog).is_done(now) {
                true => Poll::Ready(None),
                false => Poll::Pending,
            };
        }
        loop {
            let patience = self.shared.timeout * if self.suspect { GIVE_UP } else { 1 };
            // The timer is set anew only when it rings, which is seldom.
            if silence.deadline() > self.since + patience {
                silence.as_mut().reset(self.since + patience);
            }
            if silence.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() < self.since + patience {
                silence.as_mut().reset(self.since + patience);
                continue;
            }
            let fault = Fault::untouched(
                FaultKind::TimedOut,
                format!("no answer within {} ms", self.shared.timeout.as_millis()),
            );
            if self.suspect {
                return Poll::Ready(Some(fault));
            }
            self.suspect = true;
            self.shared.block(&fault);
        }
    }

    /// Writes what waits, as far as there is room on the way.
    fn fill(&mut self) {
        if self.suspect || self.sent.0.len() >= MOST_SENT {
            return;
        }
        if self.sent.0.is_empty() {
            self.since = Instant::now();
        }
        for (op, step) in self.again.drain(..) {
            self.link.write(op.ballot.call(), step);
            self.sent.0.push_back((op, step));
        }
        // Until there is nothing left or no room: of those that wait, nobody may want any.
        loop {
            let sent = self.sent.0.len();
            let room = MOST_SENT.saturating_sub(sent);
            let least = if sent < CROWDED { 1 } else { sent / 4 };
            lock(&self.shared.backlog).take(&mut self.taken, least, room);
            if self.taken.is_empty() {
                return;
            }
            self.shared.busy.store(self.taken.len() >= BUSY, Relaxed);
            for op in self.taken.drain(..) {
                if op.ballot.wanted() {
                    self.link.write(op.ballot.call(), Step::First);
                    self.sent.0.push_back((op, Step::First));
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
        let mut next = first;
        loop {
            match next? {
                Incoming::Answer(said) => self.deliver(&said, now, barred.as_ref())?,
                Incoming::Free { key, by } => self.shared.free(&key, by),
            }
            match self.link.poll_incoming(cx) {
                Poll::Ready(incoming) => next = incoming,
                Poll::Pending => break,
            }
        }
        // Whatever came, what is behind it has not been waited for yet.
        self.since = Instant::now();
        if std::mem::take(&mut self.suspect) {
            self.shared.state.came_back();
            lock(&self.shared.backlog).unblock(now);
        }
        Ok(true)
    }

    /// Hands an answer to its round. The error: why the connection should be made anew.
    fn deliver(
        &mut self,
        said: &Value,
        now: crate::clock::Instant,
        barred: Option<&Fault>,
    ) -> Result<(), Fault> {
        let Some((op, step)) = self.sent.0.pop_front() else {
            return Err(Fault::unknown(
                FaultKind::Other,
                "the server answered more than it was asked",
            ));
        };
        let reply = match Link::understand(op.ballot.call(), step, said) {
            Answer::Next(step) => {
                self.again.push((op, step));
                return Ok(());
            }
            Answer::Saw(sight) => {
                op.ballot.saw(op.node, sight);
                op.answer(Reply::Yes);
                return Ok(());
            }
            Answer::Vote(reply) => reply,
        };
        if matches!(reply, Reply::Woke)
            && let Some(nodes) = self.shared.nodes.upgrade()
        {
            nodes.wakes.told().add(op.ballot.call().key.lock());
        }
        // Demoted: who the master is, and whether this may vote at all, is asked on connecting.
        let leave = match &reply {
            Reply::Failed(fault) if fault.kind == FaultKind::ReadOnly => Some(fault.clone()),
            _ => None,
        };
        op.answer(match barred {
            Some(fault) => Reply::Failed(Fault::unknown(fault.kind, fault.text.clone())),
            None => self.shared.state.weigh(reply, now),
        });
        leave.map_or(Ok(()), Err)
    }

    /// The connection is gone, and with it what is on its way.
    fn lose(&mut self, fault: &Fault) {
        for (op, _) in self.again.drain(..).chain(self.sent.0.drain(..)) {
            self.shared.lost(&op, fault);
        }
    }
}

fn runtime_ended() -> Fault {
    Fault::unknown(
        FaultKind::Unreachable,
        "the runtime of this connection has ended",
    )
}
