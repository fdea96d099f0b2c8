//! The state that the handle and the task of a connection share.

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use futures_util::task::AtomicWaker;
use tokio::time::timeout;

use super::{backlog::Backlog, first_contact::FirstContact};
use crate::{
    command::{NodeRecord, Reply},
    env::{
        clock::{Clock, Instant},
        random::Random,
        sync::lock,
    },
    events::node as events,
    fault::Fault,
    node::{
        Lists, NodeState, Nodes, Operation, Strict, notify,
        redis::Target,
        trust::known::Forgot,
        trust::lists::{Announced, Life},
    },
};

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) index: usize,
    pub(super) target: Target,
    /// The node is a Redis Cluster and this is one of its servers: redirections are followed.
    pub(super) is_redirected: bool,
    pub(super) state: Arc<NodeState>,
    pub(super) nodes: Weak<Nodes>,
    pub(super) lists: Arc<Lists>,
    pub(super) clock: Clock,
    random: Random,
    pub(super) timeout: Duration,
    /// How long deferred releases are still delivered once the client is gone.
    pub(super) linger: Duration,
    pub(super) retention: Duration,
    pub(super) strict: Option<Strict>,
    pub(super) inbox: Arc<str>,
    pub(super) contact: Arc<FirstContact>,
    pub(super) channel: String,
    /// Whether the server notifies the inbox.
    pub(super) is_subscribed: AtomicBool,
    /// The runtime has ended.
    pub(super) ended: AtomicBool,
    pub(super) backlog: Mutex<Backlog>,
    pub(super) wake: Arc<AtomicWaker>,
    /// The last batch was large, so more operations are likely to come at once.
    pub(super) busy: AtomicBool,
}

impl Shared {
    pub(super) fn new(
        nodes: &Arc<Nodes>,
        index: usize,
        state: &Arc<NodeState>,
        target: &Target,
        inbox: &Arc<str>,
        contact: &Arc<FirstContact>,
    ) -> Self {
        let wake = Arc::new(AtomicWaker::new());
        nodes.connection_wakers.add(&wake);
        Self {
            index,
            target: target.clone(),
            is_redirected: nodes.targets[index].is_cluster(),
            state: Arc::clone(state),
            nodes: Arc::downgrade(nodes),
            lists: Arc::clone(&nodes.lists),
            clock: nodes.clock,
            random: nodes.random.clone(),
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
            wake,
            busy: AtomicBool::new(false),
        }
    }

    /// A random duration between half of `pause` and `pause`.
    pub(super) fn jittered(&self, pause: Duration) -> Duration {
        pause.mul_f64(0.5 + self.random.draw::<f64>() / 2.0)
    }

    pub(super) fn submit(&self, op: Operation) {
        let pushed = lock(&self.backlog).push(op, || self.clock.now());
        match pushed {
            // The first operation in the queue has woken the task.
            Ok(false) => {}
            Ok(true) => self.wake.wake(),
            Err((op, fault)) => {
                if self.ended.load(Relaxed) {
                    self.hand_over_deferred();
                }
                op.answer(Reply::Failed(fault));
            }
        }
    }

    /// After the end of the runtime: another one delivers the deferred releases.
    pub(super) fn hand_over_deferred(&self) {
        let deferred = lock(&self.backlog).take_deferred();
        if let Some(nodes) = self.nodes.upgrade() {
            nodes.outbox.push(deferred);
        }
    }

    /// A notification arrived that `by` released `key`.
    pub(super) fn notified(&self, key: &str, by: String) {
        let Some(nodes) = self.nodes.upgrade() else {
            return;
        };
        // No task waits here any more, so pass the notification on to the next process.
        if !nodes.notifications.receive(key, &by, self.index)
            && let Some(sink) = notify::leaving(key, &self.inbox, by)
        {
            self.submit(Operation {
                sink,
                node: self.index,
            });
        }
    }

    /// The announcement to send to the node now.
    pub(super) fn announcement(&self) -> Announced {
        self.lists
            .announcement(self.index, self.clock.now(), self.random.draw())
    }

    /// The node replied to an announcement.
    pub(super) fn announcement_answered(
        &self,
        announced: &Announced,
        reply: Result<NodeRecord, Fault>,
    ) {
        let (now, version) = (self.clock.now(), self.lists.version());
        events::answered(self.state.meter(), now.saturating_since(announced.at));
        match reply {
            Ok(record) => {
                let emptied = record.emptied.map(|ago| now.before(ago));
                if let Some(at) = emptied {
                    self.state.record_emptied(at);
                }
                // Before its votes count.
                match (self.lists.compare_life(self.index, &record), emptied) {
                    (Life::Another, _) => self.forgot(Forgot::Emptied),
                    (Life::FirstSeen, Some(at)) => self.lost_before(at),
                    (Life::FirstSeen, None) | (Life::AsBefore, _) => {}
                }
                self.lists
                    .announcement_answered(self.index, announced, record, now);
            }
            Err(fault) => {
                self.lists
                    .announcement_failed(self.index, announced, &fault, now);
            }
        }
        if self.lists.version() != version
            && let Some(nodes) = self.nodes.upgrade()
        {
            nodes.announce();
        }
    }

    /// The node may have forgotten locks.
    pub(super) fn forgot(&self, why: Forgot) {
        if let Some(nodes) = self.nodes.upgrade() {
            nodes.forget(&self.state, why);
        }
    }

    /// Other clients saw that the node lost its data at this time, before this client met it.
    fn lost_before(&self, at: Instant) {
        if let Some(nodes) = self.nodes.upgrade() {
            nodes.record_loss(&self.state, at);
        }
    }

    /// The connection was replaced or lost. Notifications over the previous one may be lost, so
    /// waiters try for themselves.
    pub(super) fn set_subscribed(&self, is_subscribed: bool) {
        if self.is_subscribed.swap(is_subscribed, Relaxed)
            && let Some(nodes) = self.nodes.upgrade()
        {
            nodes.notifications.interrupted();
        }
    }

    /// The node cannot be reached: answers queued operations with the cause, defers releases, and
    /// refuses what is submitted within `known_for`.
    pub(super) fn block(&self, fault: &Fault, known_for: Duration) {
        self.set_subscribed(false);
        self.state.went_down(fault);
        self.lists.reevaluate(self.clock.now());
        let refused = lock(&self.backlog).block(fault, self.clock.now(), known_for);
        events::backlog_refused(self.state.meter());
        for op in refused {
            op.answer(Reply::Failed(fault.clone()));
        }
    }

    /// The node can be reached again. Deferred releases go first.
    pub(super) fn unblock(&self) {
        let mut backlog = lock(&self.backlog);
        let deferred = backlog.deferred();
        backlog.unblock(self.clock.now());
        drop(backlog);
        if deferred > 0 {
            events::deferred_releases_sent(self.state.name(), deferred);
        }
    }

    /// Waits before the next attempt to connect: for the pause, or until an operation is submitted.
    pub(super) async fn rest(&self, pause: Duration) {
        let demanded = poll_fn(|cx| {
            self.wake.register(cx.waker());
            match lock(&self.backlog).wants_connection() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        });
        let _ = timeout(pause, demanded).await;
    }

    /// Whether the handle is gone and nothing is left to deliver.
    pub(super) fn is_done(&self) -> bool {
        let backlog = lock(&self.backlog);
        let done = backlog.is_done(self.clock.now());
        let undelivered = backlog.deferred();
        drop(backlog);
        if done && undelivered > 0 {
            events::deferred_releases_dropped(self.state.name(), undelivered);
        }
        done
    }

    /// The reply to `op` was lost with the connection.
    pub(super) fn lost(&self, op: &Operation, fault: &Fault) {
        let fault = fault.clone().with_outcome(false);
        lock(&self.backlog).defer(op.clone(), self.clock.now());
        op.answer(Reply::Failed(fault));
    }
}
