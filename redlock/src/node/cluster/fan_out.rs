//! A request to all servers of the cluster.

use std::{
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use tokio::time::sleep;

use super::{
    super::{Operation, ReplySink},
    Shared,
    map::Shard,
    shared::of_server,
};
use crate::{
    command::{Reply, Request},
    env::sync::lock,
    fault::{Fault, FaultKind},
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
    server: Arc<str>,
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
        for shard in servers {
            let part = Part {
                fan_out: Arc::clone(&fan_out),
                server: shard.server,
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

    fn received(&self, server: &str, reply: Reply) {
        let mut replies = lock(&self.replies);
        if replies.pending == 0 {
            return;
        }
        replies.pending -= 1;
        match reply {
            Reply::Failed(fault) => {
                replies.misplaced |= fault.kind == FaultKind::SameServer;
                replies
                    .fault
                    .get_or_insert_with(|| of_server(server, &fault));
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
        let moved = cluster.and_then(|cluster| cluster.moved_lately());
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

impl ReplySink for Part {
    fn request(&self) -> &Request {
        self.fan_out.op.sink.request()
    }

    fn wanted(&self) -> bool {
        self.fan_out.op.sink.wanted()
    }

    fn vote(&self, _: usize, reply: Reply) {
        self.fan_out.received(&self.server, reply);
    }
}
