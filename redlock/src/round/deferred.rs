//! Deferred releases: kept for a node that cannot be reached, and sent when it answers again.

use std::sync::Arc;

use crate::{
    command::{Reply, Request},
    env::{clock::Instant, pending::Pending},
    node::ReplySink,
};

/// A release for one node whose round is over, or continues without that node. Small, since there
/// may be thousands.
#[derive(Debug)]
pub(super) struct Deferred {
    request: Request,
    /// Closing the client waits for this.
    pending: Option<Pending>,
    since: Instant,
}

impl Deferred {
    /// The release to send at `now`. A cool-down is shorter by then, or over.
    pub(super) fn sink(
        request: &Request,
        pending: Option<&Pending>,
        now: Instant,
    ) -> Arc<dyn ReplySink> {
        Self::since(request, pending, now, now)
    }

    fn since(
        request: &Request,
        pending: Option<&Pending>,
        now: Instant,
        since: Instant,
    ) -> Arc<dyn ReplySink> {
        let command = request.command.deferred(now);
        Arc::new(Self {
            since,
            request: Request {
                key: Arc::clone(&request.key),
                command: command.unwrap_or_else(|| request.command.clone()),
            },
            pending: pending.map(Pending::another),
        })
    }
}

impl ReplySink for Deferred {
    fn request(&self) -> &Request {
        &self.request
    }

    fn wanted(&self) -> bool {
        true
    }

    fn vote(&self, _: usize, _: Reply) {}

    fn deferred(&self, now: Instant) -> Option<Arc<dyn ReplySink>> {
        // A release that does not change is kept.
        self.request.command.deferred(now)?;
        let pending = self.pending.as_ref();
        Some(Self::since(&self.request, pending, now, self.since))
    }

    fn deferred_since(&self) -> Option<Instant> {
        Some(self.since)
    }
}
