//! A lane: the one connection to one node, owned by one task.
//!
//! The task takes whatever operations wait and sends them as one pipeline, with a few pipelines on their way at a
//! time, so a busy client pays for a write and a read once per batch. Operations keep their order: a release that was
//! submitted after its acquire reaches the node after it.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::Notify,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    Ballot, Call, Fault, FaultKind, NodeState, Nodes, Op, Reply, Strict, What,
    backlog::Backlog,
    redis::{Answer, Answers, Inbox, Link, News, Step, Target, Value},
};
use crate::{clock::Clock, key::Key, sync::lock};

/// The most operations in one pipeline.
const BATCH: usize = 256;
/// The most pipelines on their way at a time.
const FLIGHTS: usize = 4;
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
    wake: Arc<Notify>,
}

impl Lane {
    pub(super) fn start(
        nodes: &Arc<Nodes>,
        index: usize,
        state: &Arc<NodeState>,
        target: &Target,
        inbox: &Arc<str>,
        runtime: &Handle,
    ) -> Self {
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
            wake: Arc::new(Notify::new()),
        });
        runtime.spawn(run(Ending(Arc::clone(&shared))));
        Self(shared)
    }

    pub(super) fn submit(&self, op: Op) {
        self.0.submit(op);
    }

    pub(super) fn hears(&self) -> bool {
        self.0.hears.load(Relaxed)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        lock(&self.0.backlog).close();
        self.0.wake.notify_one();
    }
}

impl Shared {
    fn submit(&self, op: Op) {
        let refused = lock(&self.backlog).push(op, self.clock.now());
        match refused {
            None => self.wake.notify_one(),
            Some((op, fault)) => op.answer(Reply::Failed(fault)),
        }
    }

    /// What the server told unasked.
    fn read(&self, news: News) {
        match news {
            News::Broken => self.wake.notify_one(),
            News::Free { key, by } => {
                let Some(nodes) = self.nodes.upgrade() else {
                    return;
                };
                // Nobody waits here any more: the next one should know.
                if !nodes.wakes.ring(&key, &by, self.index)
                    && let Ok(key) = Key::new("", &key)
                {
                    let inbox = Arc::clone(&self.inbox);
                    self.submit(Op {
                        ballot: Arc::new(Leaving(Call {
                            key: Arc::new(key),
                            what: What::Leave { inbox, by },
                        })),
                        node: self.index,
                    });
                }
            }
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

    /// Hands the answers of a pipeline to the rounds. What has to be asked again goes to `again`. Returns why the
    /// connection should be made anew, if it should.
    fn deliver(
        &self,
        flight: &mut Flight,
        answers: &[Value],
        again: &mut Vec<(Op, Step)>,
    ) -> Option<Fault> {
        let mut leave = None;
        let now = self.clock.now();
        let barred = self.state.barred();
        for ((op, step), value) in flight.ops.drain(..).zip(answers) {
            match Link::understand(&op, step, value) {
                Answer::Next(step) => again.push((op, step)),
                Answer::Saw(sight) => {
                    op.ballot.saw(op.node, sight);
                    op.answer(Reply::Yes);
                }
                Answer::Vote(reply) => {
                    if matches!(reply, Reply::Woke)
                        && let Some(nodes) = self.nodes.upgrade()
                    {
                        nodes.wakes.told(op.ballot.call().key.lock());
                    }
                    if let Reply::Failed(fault) = &reply
                        && fault.kind == FaultKind::ReadOnly
                    {
                        // Demoted: who the master is, and whether this may vote at all, is asked on connecting.
                        leave = Some(fault.clone());
                    }
                    op.answer(match &barred {
                        Some(fault) => {
                            Reply::Failed(Fault::unknown(fault.kind, fault.text.clone()))
                        }
                        None => self.state.weigh(reply, now),
                    });
                }
            }
        }
        leave
    }
}

/// A call whose answer nobody waits for.
struct Leaving(Call);

impl Ballot for Leaving {
    fn call(&self) -> &Call {
        &self.0
    }

    fn wanted(&self) -> bool {
        true
    }

    fn vote(&self, _: usize, _: Reply) {}
}

/// Ends the lane when its task is dropped, be it by a runtime that shuts down.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        let gone = Fault::unknown(
            FaultKind::Unreachable,
            "the runtime of this connection has ended",
        );
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
        let news = Arc::downgrade(shared);
        let on_news = move |told| {
            if let Some(shared) = news.upgrade() {
                shared.read(told);
            }
        };
        let (retention, strict) = (shared.retention, shared.strict.as_ref());
        let opening = Link::open(&shared.target, retention, strict, inbox, on_news);
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
                        match serve(shared, &link).await {
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
async fn serve(shared: &Shared, link: &Link) -> Option<Fault> {
    let mut flights: VecDeque<Flight> = VecDeque::with_capacity(FLIGHTS);
    let mut again = Vec::new();
    let mut suspect = false;
    let fault = loop {
        while flights.len() < FLIGHTS && !suspect {
            let (ops, unwanted) = lock(&shared.backlog).take(std::mem::take(&mut again), BATCH);
            for op in unwanted {
                op.answer(Reply::Failed(Fault::untouched(
                    FaultKind::TimedOut,
                    "given up before it was sent",
                )));
            }
            if ops.is_empty() {
                break;
            }
            flights.push_back(Flight::start(link, ops).await);
        }
        if flights.is_empty() {
            if link.is_broken() {
                break Fault::unknown(FaultKind::Unreachable, "the server closed the connection");
            }
            if lock(&shared.backlog).is_done(shared.clock.now()) {
                return None;
            }
        }
        let patience = shared.timeout * if suspect { GIVE_UP } else { 1 };
        let silent_since = flights
            .front()
            .map_or_else(Instant::now, |flight| flight.since);
        let room = flights.len() < FLIGHTS && !suspect;
        tokio::select! {
            biased;
            answers = first(&mut flights), if !flights.is_empty() => {
                let Some(mut flight) = flights.pop_front() else { continue };
                match answers {
                    Ok(values) => {
                        // Whatever comes back, the flights behind it have not been waited for yet.
                        if let Some(next) = flights.front_mut() {
                            next.since = Instant::now();
                        }
                        let leave = shared.deliver(&mut flight, &values, &mut again);
                        flight.end("the server answered less than it was asked");
                        if std::mem::take(&mut suspect) {
                            shared.state.came_back();
                            lock(&shared.backlog).unblock(shared.clock.now());
                        }
                        if let Some(fault) = leave {
                            break fault;
                        }
                    }
                    Err(fault) => {
                        flights.push_front(flight);
                        break fault;
                    }
                }
            }
            () = shared.wake.notified(), if room => {}
            () = sleep_until(silent_since + patience), if !flights.is_empty() => {
                let fault = Fault::untouched(
                    FaultKind::TimedOut,
                    format!("no answer within {} ms", shared.timeout.as_millis()),
                );
                if suspect {
                    break fault;
                }
                suspect = true;
                shared.block(&fault);
            }
        }
    };
    for (op, _) in again {
        shared.lost(&op, &fault);
    }
    for mut flight in flights {
        for (op, _) in flight.ops.drain(..) {
            shared.lost(&op, &fault);
        }
    }
    Some(fault)
}

/// One pipeline on its way.
struct Flight {
    ops: Vec<(Op, Step)>,
    answers: Pin<Box<dyn Future<Output = Answers> + Send>>,
    early: Option<Answers>,
    since: Instant,
}

impl Flight {
    /// Polls once, so that pipelines leave in the order in which they were made.
    async fn start(link: &Link, ops: Vec<(Op, Step)>) -> Self {
        let mut answers: Pin<Box<dyn Future<Output = Answers> + Send>> = Box::pin(link.send(&ops));
        let early = poll_fn(|cx| {
            Poll::Ready(match answers.as_mut().poll(cx) {
                Poll::Ready(answers) => Some(answers),
                Poll::Pending => None,
            })
        })
        .await;
        Self {
            ops,
            answers,
            early,
            since: Instant::now(),
        }
    }

    fn end(mut self, why: &'static str) {
        for (op, _) in self.ops.drain(..) {
            op.answer(Reply::Failed(Fault::unknown(FaultKind::Other, why)));
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        for (op, _) in self.ops.drain(..) {
            op.answer(Reply::Failed(Fault::unknown(
                FaultKind::Unreachable,
                "the runtime of this connection has ended",
            )));
        }
    }
}

/// The answers of the oldest pipeline: a server answers in order.
async fn first(flights: &mut VecDeque<Flight>) -> Answers {
    poll_fn(|cx| match flights.front_mut() {
        Some(flight) => match flight.early.take() {
            Some(answers) => Poll::Ready(answers),
            None => flight.answers.as_mut().poll(cx),
        },
        None => Poll::Pending,
    })
    .await
}
