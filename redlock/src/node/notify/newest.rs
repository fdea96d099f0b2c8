//! Newest wins: the requests of this process that a newer one, here or elsewhere, supersedes.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use tokio::sync::Notify;

use crate::env::sync::lock;

/// The requests that wait for their lock or hold it, by its key. Empty where there are none.
#[derive(Debug, Default)]
pub(super) struct Requests {
    keys: Mutex<HashMap<Arc<str>, Vec<Announced>>>,
}

#[derive(Debug)]
struct Announced {
    /// The number of the request. 0 until it has one.
    since: u64,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    superseded: AtomicBool,
    changed: Notify,
}

/// A request of this process. Dropped: it has ended.
#[derive(Debug)]
pub(crate) struct Preemptible {
    requests: Arc<Requests>,
    key: Arc<str>,
    state: Arc<State>,
}

impl Requests {
    pub(super) fn add(self: &Arc<Self>, key: &str) -> Preemptible {
        let (key, state) = (Arc::<str>::from(key), Arc::<State>::default());
        let announced = Announced {
            since: 0,
            state: Arc::clone(&state),
        };
        let mut keys = lock(&self.keys);
        keys.entry(Arc::clone(&key)).or_default().push(announced);
        drop(keys);
        Preemptible {
            requests: Arc::clone(self),
            key,
            state,
        }
    }

    /// A request with the number `since` was announced: the older ones for `key` are superseded.
    pub(super) fn supersede(&self, key: &str, since: u64) {
        let mut superseded = Vec::new();
        {
            let keys = lock(&self.keys);
            let older = keys.get(key).into_iter().flatten();
            for request in older.filter(|request| (1..since).contains(&request.since)) {
                request.state.superseded.store(true, SeqCst);
                superseded.push(Arc::clone(&request.state));
            }
        }
        // After the lock is released, since a waker may run code of the user, which may drop a request.
        for state in superseded {
            state.changed.notify_waiters();
        }
    }
}

impl Preemptible {
    /// The number to announce, at least `proposed` and above those of the requests of this process for the same key. What
    /// superseded the request under its number before does not count any more.
    pub(crate) fn number(&self, proposed: u64) -> u64 {
        let mut keys = lock(&self.requests.keys);
        let Some(requests) = keys.get_mut(&self.key) else {
            return proposed;
        };
        let highest = requests.iter().map(|request| request.since).max();
        let since = proposed.max(highest.unwrap_or(0).saturating_add(1));
        for request in requests {
            if Arc::ptr_eq(&request.state, &self.state) {
                request.since = since;
                request.state.superseded.store(false, SeqCst);
            }
        }
        since
    }

    /// A majority of the nodes knows the request by this number: the older ones of this process end at once.
    pub(crate) fn announced(&self, since: u64) {
        self.requests.supersede(&self.key, since);
    }

    /// Completes when a newer request was announced. Cancel safe.
    pub(crate) async fn superseded(&self) {
        loop {
            let mut changed = pin!(self.state.changed.notified());
            // Registered before the check, so that no wake-up is missed in between.
            changed.as_mut().enable();
            if self.state.superseded.load(SeqCst) {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Preemptible {
    fn drop(&mut self) {
        let mut keys = lock(&self.requests.keys);
        if let Some(requests) = keys.get_mut(&self.key) {
            requests.retain(|request| !Arc::ptr_eq(&request.state, &self.state));
            if requests.is_empty() {
                keys.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_newer_request_supersedes_the_older_ones_of_its_key_and_no_others() {
        let requests = Arc::<Requests>::default();
        let [first, second, unnumbered] = [(); 3].map(|()| requests.add("k"));
        let other = requests.add("other");
        assert_eq!(first.number(10), 10);
        assert_eq!(second.number(10), 11, "one number for each");
        assert_eq!(other.number(10), 10);
        requests.supersede("k", 11);
        assert!(first.superseded().now_or_never().is_some());
        for request in [&second, &unnumbered, &other] {
            assert!(request.superseded().now_or_never().is_none());
        }
    }

    /// Otherwise it would supersede all others, and end itself.
    #[test]
    fn a_request_that_takes_a_higher_number_is_not_superseded_by_those_below_it() {
        let requests = Arc::<Requests>::default();
        let request = requests.add("k");
        let first = request.number(10);
        requests.supersede("k", first + 5);
        assert!(request.superseded().now_or_never().is_some());
        assert_eq!(request.number(first + 6), first + 6);
        assert!(request.superseded().now_or_never().is_none());
        requests.supersede("k", first + 5);
        assert!(request.superseded().now_or_never().is_none());
    }

    #[tokio::test]
    async fn a_request_that_waits_is_woken() {
        let requests = Arc::<Requests>::default();
        let (older, newer) = (requests.add("k"), requests.add("k"));
        let (_, since) = (older.number(1), newer.number(1));
        let superseded = tokio::spawn(async move { older.superseded().await });
        tokio::task::yield_now().await;
        newer.announced(since);
        superseded.await.expect("woken");
    }

    #[test]
    fn requests_that_have_ended_leave_no_state() {
        let requests = Arc::<Requests>::default();
        drop([requests.add("k"), requests.add("k"), requests.add("l")]);
        assert!(lock(&requests.keys).is_empty());
    }
}
