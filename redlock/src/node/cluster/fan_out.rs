//! A request to all servers of the cluster.

use std::{
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use tokio::time::sleep;

use super::{
    super::{NodeState, Operation, ReplySink},
    Shared,
    map::Shard,
    shared::of_server,
};
use crate::{
    command::{CommandKind, Ping, Reply, Request},
    env::sync::lock,
    fault::{Fault, FaultKind},
    key::Key,
};

/// A request to all servers. The cluster answers if one of them does: a server that is down affects its own keys only.
pub(super) struct FanOut {
    op: Operation,
    cluster: Weak<Shared>,
    replies: Mutex<Replies>,
}

#[derive(Default)]
struct Replies {
    /// Servers that have not replied; 0 once the answer was given.
    pending: usize,
    /// Servers that carried it out.
    done: usize,
    /// For how long one of them is in quarantine.
    quarantined: Option<Duration>,
    fault: Option<Fault>,
    /// One of them is another node as well.
    misplaced: bool,
}

/// The request to one of the servers.
struct Part {
    fan_out: Arc<FanOut>,
    server: Arc<NodeState>,
    request: Request,
}

impl FanOut {
    pub(super) fn send(cluster: &Arc<Shared>, op: &Operation, servers: Vec<Shard>) {
        let fan_out = Arc::new(Self {
            op: op.clone(),
            cluster: Arc::downgrade(cluster),
            replies: Mutex::new(Replies {
                pending: servers.len(),
                ..Replies::default()
            }),
        });
        let requests = cluster.request_of_each(op.sink.request(), &servers);
        for (shard, request) in servers.into_iter().zip(requests) {
            let part = Part {
                fan_out: Arc::clone(&fan_out),
                server: shard.state,
                request,
            };
            shard.connection.submit(Operation {
                sink: Arc::new(part),
                node: op.node,
            });
        }
        // A server that hangs is not waited for.
        let (bound, fan_out) = (cluster.timeout * 3 / 4, Arc::downgrade(&fan_out));
        cluster.runtime.spawn(async move {
            sleep(bound).await;
            if let Some(fan_out) = fan_out.upgrade() {
                fan_out.close();
            }
        });
    }

    fn received(&self, server: &NodeState, reply: Reply) {
        let refusal = match &reply {
            // The slot of its key has just moved, and the others are still its own.
            Reply::Failed(fault) if fault.kind != FaultKind::Moved => Some(fault),
            _ => None,
        };
        server.refused(refusal);
        let mut replies = lock(&self.replies);
        if replies.pending == 0 {
            return;
        }
        replies.pending -= 1;
        match reply {
            Reply::Failed(fault) if fault.kind != FaultKind::Moved => {
                replies.misplaced |= fault.kind == FaultKind::SameServer;
                replies
                    .fault
                    .get_or_insert_with(|| of_server(server.name(), &fault));
            }
            Reply::Quarantined { left } => {
                replies.quarantined = replies.quarantined.max(Some(left));
            }
            _ => replies.done += 1,
        }
        if replies.pending == 0 {
            let replies = std::mem::take(&mut *replies);
            self.answer(replies);
        }
    }

    /// Answers with the replies so far, if there is one that counts.
    fn close(&self) {
        let mut replies = lock(&self.replies);
        if replies.pending > 0 && (replies.done > 0 || replies.quarantined.is_some()) {
            let replies = std::mem::take(&mut *replies);
            self.answer(replies);
        }
    }

    fn answer(&self, replies: Replies) {
        let cluster = self.cluster.upgrade();
        if let Some(cluster) = cluster.as_ref().filter(|_| replies.fault.is_some()) {
            cluster.doubted.notify_one();
        }
        let moved = cluster.as_ref().and_then(|cluster| cluster.moved_lately());
        if self.op.sink.request().command.kind() == CommandKind::Probe
            && replies.done > 0
            && let Some(unconfirmed) =
                cluster.and_then(|cluster| cluster.unconfirmed(cluster.clock.now()))
        {
            return self.op.answer(Reply::Failed(unconfirmed));
        }
        self.op
            .answer(match (replies.quarantined.max(moved), replies.fault) {
                (None, Some(fault)) if replies.done == 0 || replies.misplaced => {
                    Reply::Failed(fault)
                }
                (Some(left), _) => Reply::Quarantined { left },
                (None, _) => Reply::Yes,
            });
    }
}

impl Shared {
    /// What each of `servers` is sent for `request`. A [`Probe`] has a key, which has to belong to the server.
    fn request_of_each(&self, request: &Request, servers: &[Shard]) -> Vec<Request> {
        let nodes = self
            .nodes
            .upgrade()
            .filter(|_| request.command.kind() == CommandKind::Probe);
        let Some(nodes) = nodes else {
            return servers.iter().map(|_| request.clone()).collect();
        };
        let map = lock(&self.map);
        let keys = map.slots.key_of_each(
            |number| Key::probe(&nodes.namespace, number).map(Arc::new),
            |key| key.lock(),
        );
        let request_to = |server: &Shard| {
            let mut own = map.shards.iter().zip(&keys);
            let own = own.find(|(shard, _)| Arc::ptr_eq(&shard.state, &server.state));
            match own.and_then(|(_, key)| key.clone()) {
                Some(key) => Request {
                    key,
                    ..request.clone()
                },
                // No lock is on this server.
                None => Request {
                    command: Ping.into(),
                    ..request.clone()
                },
            }
        };
        servers.iter().map(request_to).collect()
    }
}

impl ReplySink for Part {
    fn request(&self) -> &Request {
        &self.request
    }

    fn wanted(&self) -> bool {
        self.fan_out.op.sink.wanted()
    }

    fn vote(&self, _: usize, reply: Reply) {
        self.fan_out.received(&self.server, reply);
    }
}
