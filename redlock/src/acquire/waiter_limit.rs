//! A limit on the requests that wait for their locks, for each key and in all.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
};

use crate::env::sync::lock;

/// A limit on the requests that wait for a lock, shared by its clones: see
/// [`LockRequest::max_waiters`](crate::LockRequest::max_waiters).
///
/// Only requests that wait are counted, not those that get their lock at once or do not wait.
#[derive(Clone)]
pub struct WaiterLimit(Arc<Shared>);

struct Shared {
    per_key: usize,
    in_all: usize,
    count: Mutex<Count>,
}

#[derive(Default)]
struct Count {
    in_all: usize,
    by_key: HashMap<Arc<str>, usize>,
}

impl WaiterLimit {
    /// At most `per_key` requests wait for one key, and `in_all` for all keys.
    #[must_use]
    pub fn new(per_key: usize, in_all: usize) -> Self {
        Self(Arc::new(Shared {
            per_key,
            in_all,
            count: Mutex::default(),
        }))
    }

    /// Counts a request that waits for `key`. `None` if the limit is reached. The limit of a key is not for a request that
    /// supersedes the others: they leave when it comes.
    pub(super) fn enter(&self, key: &str, newest_wins: bool) -> Option<WaiterSlot> {
        let mut count = lock(&self.0.count);
        let of_key = count.by_key.get(key).copied().unwrap_or_default();
        if count.in_all >= self.0.in_all || (of_key >= self.0.per_key && !newest_wins) {
            return None;
        }
        count.in_all += 1;
        let key = match count.by_key.get_key_value(key) {
            Some((key, _)) => Arc::clone(key),
            None => Arc::from(key),
        };
        count.by_key.insert(Arc::clone(&key), of_key + 1);
        drop(count);
        Some(WaiterSlot {
            limit: self.clone(),
            key,
        })
    }
}

impl fmt::Debug for WaiterLimit {
    /// Without the keys: they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaiterLimit")
            .field("per_key", &self.0.per_key)
            .field("in_all", &self.0.in_all)
            .field("waiting", &lock(&self.0.count).in_all)
            .finish()
    }
}

/// Counts one request until it is dropped.
#[derive(Debug)]
pub(super) struct WaiterSlot {
    limit: WaiterLimit,
    key: Arc<str>,
}

impl Drop for WaiterSlot {
    fn drop(&mut self) {
        let mut count = lock(&self.limit.0.count);
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
        let limit = WaiterLimit::new(2, 3);
        let a = (limit.enter("a", false), limit.enter("a", false));
        assert!(a.0.is_some() && a.1.is_some());
        assert!(limit.enter("a", false).is_none(), "two wait for a");
        assert!(limit.enter("a", true).is_some(), "it supersedes them");
        let b = limit.enter("b", false);
        assert!(b.is_some());
        assert!(limit.enter("c", false).is_none(), "three wait in all");
        drop(a);
        assert!(limit.enter("c", false).is_some());
        drop(b);
        let count = lock(&limit.0.count);
        assert_eq!((count.in_all, count.by_key.len()), (0, 0));
    }
}
