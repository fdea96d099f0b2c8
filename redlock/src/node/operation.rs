//! One request on its way to one node.

use std::{fmt, sync::Arc};

use super::ReplySink;
use crate::{command::Reply, env::clock::Instant};
#[cfg(test)]
use crate::{
    command::{Command, Request},
    key::Key,
};

/// One request on its way to one node.
#[derive(Clone)]
pub(crate) struct Operation {
    pub(crate) sink: Arc<dyn ReplySink>,
    pub(crate) node: usize,
}

impl Operation {
    /// See [`Command::must_arrive`](crate::command::Command::must_arrive).
    pub(crate) fn must_arrive(&self) -> bool {
        self.sink.request().command.must_arrive()
    }

    /// The form in which it is kept for later. See [`ReplySink::deferred`].
    pub(crate) fn deferred(self, now: Instant) -> Self {
        match self.sink.deferred(now) {
            Some(sink) => Self { sink, ..self },
            None => self,
        }
    }

    pub(crate) fn answer(&self, reply: Reply) {
        self.sink.vote(self.node, reply);
    }
}

#[cfg(test)]
impl Operation {
    /// An operation for node 0 that ignores its reply.
    pub(crate) fn unanswered(key: Key, command: impl Into<Command>) -> Self {
        struct Ignore(Request);

        impl ReplySink for Ignore {
            fn request(&self) -> &Request {
                &self.0
            }

            fn wanted(&self) -> bool {
                true
            }

            fn vote(&self, _: usize, _: Reply) {}
        }

        let request = Request {
            key: Arc::new(key),
            command: command.into(),
        };
        Self {
            sink: Arc::new(Ignore(request)),
            node: 0,
        }
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("node", &self.node)
            .field("request", self.sink.request())
            .finish()
    }
}
