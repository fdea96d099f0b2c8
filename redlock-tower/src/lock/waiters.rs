//! How many requests may wait: for one key, and in all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Requests that wait for one key; each of them holds a connection of the server.
const PER_KEY: usize = 100;
/// Requests that wait at all.
const IN_ALL: usize = 10_000;

/// The count of those who wait.
#[derive(Debug)]
pub(crate) struct Waiters {
    per_key: usize,
    in_all: usize,
    count: Mutex<Count>,
}

#[derive(Debug, Default)]
struct Count {
    in_all: usize,
    by_key: HashMap<Arc<str>, usize>,
}

impl Default for Waiters {
    fn default() -> Self {
        Self::with_limits(PER_KEY, IN_ALL)
    }
}

impl Waiters {
    pub(crate) fn with_limits(per_key: usize, in_all: usize) -> Self {
        Self {
            per_key,
            in_all,
            count: Mutex::default(),
        }
    }

    /// A place in the queue of `key`, or `None` where it is full.
    pub(crate) fn enter(self: &Arc<Self>, key: &str) -> Option<Waiting> {
        let mut count = self.lock();
        let of_key = count.by_key.get(key).copied().unwrap_or_default();
        if count.in_all >= self.in_all || of_key >= self.per_key {
            return None;
        }
        count.in_all += 1;
        let key = match count.by_key.get_key_value(key) {
            Some((key, _)) => Arc::clone(key),
            None => Arc::from(key),
        };
        count.by_key.insert(Arc::clone(&key), of_key + 1);
        drop(count);
        Some(Waiting {
            waiters: Arc::clone(self),
            key,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a queue, given back when dropped.
#[derive(Debug)]
pub(crate) struct Waiting {
    waiters: Arc<Waiters>,
    key: Arc<str>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut count = self.waiters.lock();
        count.in_all = count.in_all.saturating_sub(1);
        match count.by_key.get_mut(&self.key) {
            Some(of_key) if *of_key > 1 => *of_key -= 1,
            _ => {
                count.by_key.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_and_all_keys_have_limits_and_nothing_is_left_behind() {
        let waiters = Arc::new(Waiters::with_limits(2, 3));
        let a = (waiters.enter("a"), waiters.enter("a"));
        assert!(a.0.is_some() && a.1.is_some());
        assert!(waiters.enter("a").is_none(), "two wait for a");
        let b = waiters.enter("b");
        assert!(b.is_some());
        assert!(waiters.enter("c").is_none(), "three wait in all");
        drop(a);
        assert!(waiters.enter("c").is_some());
        drop(b);
        let count = waiters.lock();
        assert_eq!((count.in_all, count.by_key.len()), (0, 0));
    }
}
