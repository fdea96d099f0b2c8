//! The one connection of a runtime to one node.
//!
//! Operations are queued in the [`Backlog`], written to the send buffer in batches and answered in
//! order: a release that was submitted after its acquire reaches the node after it. All connections
//! of a runtime are polled by one task ([`ConnectionTasks`]), so a busy client pays for one write
//! and one read per batch.
//!
//! # States
//! ```text
//!              connected                silence            node time-out
//! Connecting ------------> Open/Alive ----------> Doubted --------------> Suspect
//!    ^  |                      ^  ^ ^    reply       |                       |  |
//!    |  | failed: blocked,     |  | +----------------+  reply: unblocked     |  |
//!    |  | deferred, pause      |  +-----------------------------------------+  |
//!    |  v                      +--- standby connected (Doubted, Suspect)        |
//!    +-----------------------------------------------------------------------+
//!      connection lost, or silent for `MAX_SILENCE` node time-outs
//! ```
//! - *Connecting* (`task`): operations wait. When an attempt fails they are answered with the
//!   cause, further ones are refused for a moment (the backlog is *blocked*), and releases are
//!   deferred.
//! - *Alive* (`open`): operations are written (`open/write`), replies delivered (`open/read`).
//! - *Doubted* (`open/silence`): a reply is late. A NAT or a load balancer may have dropped the
//!   connection without notice, so a *standby* connection is made beside it. The first of them to
//!   answer is used.
//! - *Suspect* (`open/silence`): no reply for a node time-out. The backlog is blocked, and nothing
//!   is written until the server answers or the standby replaces the connection.
//!
//! When a connection is lost or replaced, every operation in flight is sent once more on the next
//! one, since it is unknown whether it was carried out. What is lost twice is answered as unknown,
//! and releases are deferred: they are sent again after a pause, like those that a node answered by
//! an error (`open/retry`).
//!
//! A panic in code of the user that a connection calls, such as a verifier of certificates, ends
//! this connection, or this attempt to connect, and nothing else (`task`).
//!
//! # Bounds
//! New work in the backlog, deferred releases and operations in flight are bounded. Releases and
//! extensions are never refused: there are no more of them than locks that were granted.

mod backlog;
mod connect;
mod first_contact;
mod in_flight;
mod open;
mod shared;
mod task;
mod tasks;
mod unanswered;

use std::sync::{Arc, atomic::Ordering::Relaxed};

pub(super) use self::{first_contact::FirstContact, task::ConnectionTask, tasks::ConnectionTasks};
use super::{NodeState, Nodes, Operation, redis::Target};
use crate::env::sync::lock;
use shared::Shared;

/// The handle to a connection. When it is dropped, the task delivers what is queued and ends.
#[derive(Debug)]
pub(super) struct Connection(Arc<Shared>);

impl Connection {
    pub(super) fn start(
        nodes: &Arc<Nodes>,
        index: usize,
        state: &Arc<NodeState>,
        target: &Target,
        inbox: &Arc<str>,
        contact: &Arc<FirstContact>,
    ) -> (Self, ConnectionTask) {
        let shared = Arc::new(Shared::new(nodes, index, state, target, inbox, contact));
        let task = ConnectionTask::new(Arc::clone(&shared));
        (Self(shared), task)
    }

    /// Queues an operation. Never blocks. A refused operation is answered at once.
    pub(super) fn submit(&self, op: Operation) {
        self.0.submit(op);
    }

    /// Takes the node's deferred releases, for its successor.
    #[cfg(feature = "cluster")]
    pub(super) fn take_deferred(&self) -> impl Iterator<Item = Operation> + use<> {
        lock(&self.0.backlog).take_deferred().into_iter()
    }

    /// Whether the server notifies the inbox of this process.
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
