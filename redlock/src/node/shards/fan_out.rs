//! A call to all servers of the cluster.

use std::{
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use tokio::time::sleep;

use super::super::{Operation, ReplySink};
use super::{Shared, map::Shard, of_server};
use crate::command::{Reply, Request};
use crate::env::sync::lock;
use crate::fault::{Fault, FaultKind};

/// A call to all servers. The cluster answers if one of them does: each takes along its own keys only.
pub(super) struct FanOut {
    op: Operation,
    shards: Weak<Shared>,
    replies: Mutex<Replies>,
}

#[derive(Default)]
struct Replies {
    /// Servers that have not answered; none once the answer was given.
    pending: usize,
    /// Servers that did what was asked.
    done: usize,
    /// For how long one of them has no vote.
    quarantined: Option<Duration>,
    fault: Option<Fault>,
    /// One of them is another node as well.
    misplaced: bool,
}

/// One server's part in it.
struct Present {
    fan_out: Arc<FanOut>,
    server: Arc<str>,
}

impl FanOut {
    pub(super) fn send(shards: &Arc<Shared>, op: &Operation, servers: Vec<Shard>) {
        let fan_out = Arc::new(Self {
            op: op.clone(),
            shards: Arc::downgrade(shards),
            replies: Mutex::new(Replies {
                pending: servers.len(),
                ..Replies::default()
            }),
        });
        for shard in servers {
            let present = Present {
                fan_out: Arc::clone(&fan_out),
                server: shard.server,
            };
            shard.connection.submit(Operation {
                sink: Arc::new(present),
                node: op.node,
            });
        }
        // One that hangs is not waited for.
        let (bound, fan_out) = (shards.timeout * 3 / 4, Arc::downgrade(&fan_out));
        shards.runtime.spawn(async move {
            sleep(bound).await;
            if let Some(fan_out) = fan_out.upgrade() {
                fan_out.close();
            }
        });
    }

    fn hear(&self, server: &str, reply: Reply) {
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

    /// Answers with what was heard so far, if that is something.
    fn close(&self) {
        let mut replies = lock(&self.replies);
        if replies.pending > 0 && (replies.done > 0 || replies.quarantined.is_some()) {
            let replies = std::mem::take(&mut *replies);
            self.answer(replies);
        }
    }

    fn answer(&self, replies: Replies) {
        let shards = self.shards.upgrade();
        if let Some(shards) = shards.as_ref().filter(|_| replies.fault.is_some()) {
            shards.doubted.notify_one();
        }
        let moved = shards.and_then(|shards| shards.moved_lately());
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

impl ReplySink for Present {
    fn request(&self) -> &Request {
        self.fan_out.op.sink.request()
    }

    fn wanted(&self) -> bool {
        self.fan_out.op.sink.wanted()
    }

    fn vote(&self, _: usize, reply: Reply) {
        self.fan_out.hear(&self.server, reply);
    }
}
