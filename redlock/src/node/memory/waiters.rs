//! Who waits for which lock at a node in memory, and telling them in turn that it is free.
//!
//! As on a server: who is told may be frozen, cut off or gone, so a wake-up is a hint.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{runtime::Handle, time::sleep};

use super::{
    parcel::News,
    path::{Path, Way},
    port::Client,
};
use crate::{
    command::Inbox,
    env::clock::Instant,
    node::{Operation, notifications},
};

/// Lines that are over are swept out when this many stand there, and again at twice of what was left.
const SWEEP: usize = 256;

/// The lines of a node, by lock.
#[derive(Debug)]
pub(super) struct Waiters {
    lines: HashMap<Box<str>, Line>,
    sweep_at: usize,
}

#[derive(Debug)]
struct Line {
    /// In the order of their coming.
    waiting: Vec<Waiter>,
    forget_at: Instant,
}

#[derive(Debug)]
struct Waiter {
    since: u64,
    ear: Ear,
}

/// Where a client hears of a lock.
#[derive(Clone, Debug)]
pub(super) struct Ear {
    inbox: Arc<str>,
    client: Client,
    path: Arc<Path>,
}

/// A wake-up on its way.
#[derive(Debug)]
pub(super) struct Bell {
    ear: Ear,
    key: Box<str>,
    by: Box<str>,
}

impl Default for Waiters {
    fn default() -> Self {
        Self {
            lines: HashMap::new(),
            sweep_at: SWEEP,
        }
    }
}

impl Waiters {
    /// How long a line is kept after somebody joined it and the lease they wait for: who waits asks again long before.
    pub(super) const KEPT: Duration = Duration::from_secs(10);

    pub(super) fn join_waitlist(
        &mut self,
        key: &str,
        inbox: &Inbox,
        client: &Client,
        path: &Arc<Path>,
        until: Instant,
        now: Instant,
    ) {
        self.strike(key, &inbox.name);
        let line = self.lines.entry(key.into()).or_insert_with(|| Line {
            waiting: Vec::new(),
            forget_at: now,
        });
        if line.forget_at < now {
            line.waiting.clear();
        }
        line.forget_at = line.forget_at.max(until);
        let place = line
            .waiting
            .partition_point(|other| (other.since, &other.ear.inbox) < (inbox.since, &inbox.name));
        let ear = Ear {
            inbox: Arc::clone(&inbox.name),
            client: client.clone(),
            path: Arc::clone(path),
        };
        line.waiting.insert(
            place,
            Waiter {
                since: inbox.since,
                ear,
            },
        );
        if self.lines.len() >= self.sweep_at {
            self.lines.retain(|_, line| line.forget_at >= now);
            self.sweep_at = (self.lines.len() * 2).max(SWEEP);
        }
    }

    pub(super) fn strike(&mut self, key: &str, inbox: &str) {
        if let Some(line) = self.lines.get_mut(key) {
            line.waiting.retain(|waiter| &*waiter.ear.inbox != inbox);
            if line.waiting.is_empty() {
                self.lines.remove(key);
            }
        }
    }

    /// Whom to tell that `by` released `key`: the first in line, who is struck off, and the second to look after it.
    pub(super) fn wake(&mut self, key: &str, by: &str, now: Instant) -> Vec<Bell> {
        let Some(line) = self.lines.get_mut(key) else {
            return Vec::new();
        };
        line.waiting
            .retain(|waiter| waiter.ear.client.nodes.strong_count() > 0);
        let mut bells = Vec::new();
        if line.forget_at >= now {
            for (waiter, by) in line.waiting.iter().zip([by, crate::command::SECOND]) {
                bells.push(Bell {
                    ear: waiter.ear.clone(),
                    key: key.into(),
                    by: by.into(),
                });
            }
            line.waiting.drain(..line.waiting.len().min(1));
        } else {
            line.waiting.clear();
        }
        if line.waiting.is_empty() {
            self.lines.remove(key);
        }
        bells
    }
}

impl Waiters {
    /// Tells all who wait for `key` that it cools down: none of them is left in the line.
    pub(super) fn wake_all(&mut self, key: &str, by: &str, now: Instant) -> Vec<Bell> {
        let line = self.lines.remove(key).filter(|line| line.forget_at >= now);
        let waiting = line.into_iter().flat_map(|line| line.waiting);
        waiting
            .map(|waiter| Bell {
                ear: waiter.ear,
                key: key.into(),
                by: by.into(),
            })
            .collect()
    }
}

impl Waiters {
    /// The connections over this path are gone, and what was told over them may be lost: clients know.
    pub(super) fn interrupt(&self, path: &Arc<Path>) {
        let waiting = self.lines.values().flat_map(|line| &line.waiting);
        for ear in waiting.map(|waiter| &waiter.ear) {
            if Arc::ptr_eq(&ear.path, path)
                && let Some(nodes) = ear.client.nodes.upgrade()
            {
                nodes.notifications.interrupted();
            }
        }
    }
}

#[cfg(test)]
impl Waiters {
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl Bell {
    /// Sends it, over the path as it is now.
    pub(super) fn ring(self) {
        let path = Arc::clone(&self.ear.path);
        match (path.way_back(), Handle::try_current()) {
            (Way::Nowhere, _) => {}
            (Way::Arrives(delay), Ok(runtime)) if !delay.is_zero() => {
                runtime.spawn(async move {
                    sleep(delay).await;
                    path.gate().tell(News::Free(self));
                });
            }
            (Way::Arrives(_), _) => path.gate().tell(News::Free(self)),
        }
    }

    /// The client reads it.
    pub(super) fn heard(self) {
        let Self { ear, key, by } = self;
        let node = ear.client.index;
        let Some(nodes) = ear.client.nodes.upgrade() else {
            return;
        };
        // Nobody waits here any more: the next one should know.
        if !nodes.notifications.ring(&key, &by, node)
            && let Some(sink) = notifications::leaving(&key, &ear.inbox, by.into())
            && let Some(connections) = nodes.connections()
        {
            connections.submit(Operation { sink, node });
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::{Redlock, env::sync::lock, memory::Cluster};

    /// How long after the release the waiter held the lock, while `fault` was on.
    async fn woken_after(fault: impl Fn(&Cluster)) -> Duration {
        let cluster = Cluster::seeded(3, 1);
        let (near, far) = (cluster.nodes(), cluster.apart());
        let holder = Redlock::connect(near).await.expect("all up");
        let waiter = Redlock::connect(far.nodes()).await.expect("all up");
        let guard = holder.lock("k").await.expect("free");
        // Longer than the lease: what is looked at is how the waiter hears of the release, not its last look.
        let request = waiter.lock("k").wait(Duration::from_secs(60));
        let waiting = tokio::spawn(async move { request.await });
        sleep(Duration::from_millis(500)).await;
        fault(&far);
        guard.release().await.expect("released");
        let released = Instant::now();
        for node in far.nodes() {
            node.lose_replies(false);
        }
        let guard = waiting.await.expect("no panic").expect("a turn");
        let after = released.elapsed();
        guard.release().await.expect("released");
        for node in cluster.nodes() {
            let state = lock(&node.inner.state);
            assert!(state.store.is_waited_for_by_nobody());
        }
        after
    }

    #[tokio::test(start_paused = true)]
    async fn a_release_wakes_who_waits() {
        let after = woken_after(|_| {}).await;
        assert!(after < Duration::from_millis(2), "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wake_up_that_is_lost_costs_the_rest_of_the_lease_at_most() {
        let lose = |far: &Cluster| far.nodes().iter().for_each(|node| node.lose_replies(true));
        let after = woken_after(lose).await;
        assert!(after > Duration::from_millis(2), "{after:?}");
        assert!(after < Duration::from_millis(10_300), "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wake_up_that_went_with_its_connection_costs_little() {
        let cut = |far: &Cluster| {
            for node in far.nodes() {
                node.lose_replies(true);
                node.reconnect();
            }
        };
        let after = woken_after(cut).await;
        assert!(after < Duration::from_millis(700), "{after:?}");
    }
}
