//! One operation on its way to a node in memory, and its answer on the way back.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use tokio::{
    runtime::Handle,
    time::{Instant, sleep_until},
};

use super::{Node, node::Process, path::Way, port::Client, record, store::Outcome, waiters::Bell};
use crate::{
    command::Reply,
    fault::{Fault, FaultKind},
    node::{Info, Operation, state::Forgot},
};

/// A request, with who waits for its answer.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    /// Unique on its path.
    pub(super) number: u64,
    /// Which process of the node it was sent to: a connection does not outlive its process.
    pub(super) process: u64,
    pub(super) node: Node,
    pub(super) client: Client,
    pub(super) op: Operation,
    /// When the sender gives up the connection for want of an answer.
    patience: Instant,
}

/// Sends `op` over the node's path as it is now.
pub(super) fn send(node: &Node, client: &Client, op: Operation) {
    let mut parcel = Parcel {
        number: 0,
        process: node.process(),
        node: node.clone(),
        client: client.clone(),
        op,
        patience: Instant::now() + client.patience,
    };
    parcel.op.sink.sent(parcel.op.node);
    match node.path().send(&mut parcel) {
        Ok(way) => parcel.goes(way, Node::arrive),
        Err(fault) => parcel.op.answer(Reply::Failed(fault)),
    }
}

impl Parcel {
    /// Sends the answer back, over the path as it is now.
    pub(super) fn reply(self, answer: Answer) {
        let way = self.node.path().way_back();
        self.goes(way, |parcel| {
            let path = parcel.node.path();
            path.tell(parcel.number, |parcel| {
                News::Of(parcel, Told::Answer(answer))
            });
        });
    }

    /// The connection is gone, and the answer with it.
    pub(super) fn lose(self, why: &'static str) {
        let fault = Fault::unknown(FaultKind::Unreachable, why);
        let path = self.node.path();
        path.tell(self.number, |parcel| News::broken(parcel, fault));
    }

    /// The node has been silent for a node time-out, so its client did not send this.
    pub(super) fn unsent(self) {
        let within = self.client.timeout.as_millis();
        let fault = Fault::unknown(FaultKind::TimedOut, format!("no answer within {within} ms"));
        let path = self.node.path();
        path.tell(self.number, |parcel| News::Of(parcel, Told::Refusal(fault)));
    }

    /// The node is down.
    pub(super) fn refuse(self) {
        let fault = Fault::untouched(FaultKind::Unreachable, "stopped");
        let path = self.node.path();
        path.tell(self.number, |parcel| News::Of(parcel, Told::Refusal(fault)));
    }

    /// Goes on as `arrives` when its way is over; meanwhile the sender's patience may be.
    fn goes(self, way: Way, arrives: impl FnOnce(Self) + Send + 'static) {
        if way == Way::Arrives(Duration::ZERO) {
            return arrives(self);
        }
        let Ok(runtime) = Handle::try_current() else {
            // A guard dropped outside of any runtime: nobody could wait, so what arrives does so at once.
            if way != Way::Nowhere {
                arrives(self);
            }
            return;
        };
        let arrival = match way {
            Way::Arrives(delay) => Some(Instant::now() + delay),
            Way::Nowhere => None,
        };
        runtime.spawn(async move {
            if arrival.is_none_or(|at| at > self.patience) {
                sleep_until(self.patience).await;
                let silence = Fault::unknown(FaultKind::TimedOut, "no answer in time");
                let path = self.node.path();
                path.tell(self.number, |parcel| News::broken(parcel, silence));
            }
            if let Some(at) = arrival {
                sleep_until(at).await;
                arrives(self);
            }
        });
    }
}

/// What the node did.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    pub(super) process: Process,
    /// The node's wall clock, in microseconds since the epoch.
    pub(super) time: u64,
}

/// What a client learns.
#[derive(Debug)]
pub(super) enum News {
    /// Of a request of its own.
    Of(Parcel, Told),
    /// Unasked: a lock is free.
    Free(Bell),
}

#[derive(Debug)]
pub(super) enum Told {
    Answer(Answer),
    Refusal(Fault),
    /// Nothing: the connection broke, and whether the request was carried out is not known.
    Broken(Fault),
}

impl News {
    pub(super) fn broken(parcel: Parcel, fault: Fault) -> Self {
        Self::Of(parcel, Told::Broken(fault))
    }

    /// The client reads it.
    pub(super) fn read(self) {
        match self {
            Self::Of(parcel, Told::Answer(answer)) => parcel.answered(answer),
            Self::Of(parcel, Told::Refusal(fault)) => {
                parcel.client.state.went_down(&fault);
                parcel.op.answer(Reply::Failed(fault));
            }
            Self::Of(parcel, Told::Broken(fault)) => parcel.unanswered(fault),
            Self::Free(bell) => bell.heard(),
        }
    }
}

impl Parcel {
    fn answered(self, answer: Answer) {
        let Self {
            node, client, op, ..
        } = &self;
        let Answer {
            outcome,
            process,
            time,
        } = answer;
        let stranger = client.state.run_id_is_not(&process.run_id);
        if stranger && process.number != node.process() {
            // Not the process that this client knows, and not the one that it would meet by connecting again.
            return self.unanswered(Fault::unknown(
                FaultKind::Unreachable,
                "the server closed the connection",
            ));
        }
        let now = client.clock.now();
        // A server says so over each connection, before the first answer to what it carried out after that.
        let emptied = client.emptied.fetch_max(process.emptied, Relaxed);
        if !stranger
            && emptied < process.emptied
            && let Some(nodes) = client.nodes.upgrade()
        {
            nodes.forget(&client.state, Forgot::Emptied);
        }
        let connection = node.path().connection();
        if (client.greeted.swap(connection, Relaxed) != connection || stranger)
            && let Some(nodes) = client.nodes.upgrade()
        {
            nodes.record_handshake(
                client.index,
                &client.state,
                &Info {
                    run_id: process.run_id,
                    version: "memory".to_owned(),
                    uptime: now.saturating_since(process.started),
                    time,
                    ..Info::default()
                },
            );
        }
        client.state.came_back();
        if let Some(nodes) = client.nodes.upgrade() {
            record::announce(&nodes);
        }
        if matches!(outcome, Outcome::Vote(Reply::Notified))
            && let Some(nodes) = client.nodes.upgrade()
        {
            nodes.notifications.told().add(op.sink.request().key.lock());
        }
        if let Outcome::Saw(sight) = &outcome {
            op.sink.observed(op.node, sight.clone());
        }
        op.answer(match (client.state.barred(), outcome) {
            (Some(fault), _) => Reply::Failed(Fault::unknown(fault.kind, fault.text)),
            (None, Outcome::Saw(_)) => Reply::Yes,
            (None, Outcome::Vote(reply)) => {
                let reply = client.state.apply_quarantine(reply, now);
                match client.nodes.upgrade() {
                    Some(nodes) => nodes.lists.apply_quarantine(
                        client.index,
                        &op.sink.request().command,
                        reply,
                        now,
                    ),
                    None => reply,
                }
            }
        });
    }

    fn unanswered(self, fault: Fault) {
        let Self {
            node, client, op, ..
        } = self;
        client.state.went_down(&fault);
        op.answer(Reply::Failed(fault));
        // What must arrive is sent again, over a new connection.
        if op.must_arrive() {
            let now = client.clock.now();
            send(&node, &client, op.deferred(now));
        }
    }
}
