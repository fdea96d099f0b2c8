//! Records in the memory of this process, for tests and for services with one instance.

use super::{Begun, ReplayStore, StoreError};
use crate::events::replay as events;
use redlock::FencingToken;
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Estimated size of an entry without its key and record, in bytes.
const OVERHEAD: usize = 200;
const DEFAULT_CAPACITY: usize = 64 * 1024 * 1024;

/// A [`ReplayStore`] in memory, of bounded size, shared by its clones.
///
/// A full store drops the oldest records, with a warning: a duplicate of such a request runs again.
#[derive(Clone)]
pub struct MemoryStore {
    entries: Arc<Mutex<Entries>>,
    capacity: usize,
}

#[derive(Default)]
struct Entries {
    by_key: HashMap<Arc<str>, Entry>,
    by_age: BTreeMap<u64, Arc<str>>,
    next: u64,
    size: usize,
}

struct Entry {
    token: FencingToken,
    record: Option<Vec<u8>>,
    expires_at: Instant,
    age: u64,
}

impl MemoryStore {
    /// A store with a capacity of 64 MiB.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(DEFAULT_CAPACITY)
    }

    /// A store with a capacity of about `bytes`.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            entries: Arc::default(),
            capacity: bytes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Entries {
    fn get(&mut self, key: &str, now: Instant) -> Option<&Entry> {
        if self
            .by_key
            .get(key)
            .is_some_and(|entry| entry.expires_at <= now)
        {
            self.remove(key);
        }
        self.by_key.get(key)
    }

    fn put(
        &mut self,
        key: &str,
        token: FencingToken,
        record: Option<Vec<u8>>,
        expires_at: Instant,
    ) {
        self.remove(key);
        let key: Arc<str> = Arc::from(key);
        let entry = Entry {
            token,
            record,
            expires_at,
            age: self.next,
        };
        self.size += size(&key, &entry);
        self.by_age.insert(self.next, Arc::clone(&key));
        self.by_key.insert(key, entry);
        self.next += 1;
    }

    fn remove(&mut self, key: &str) {
        if let Some((key, entry)) = self.by_key.remove_entry(key) {
            self.by_age.remove(&entry.age);
            self.size = self.size.saturating_sub(size(&key, &entry));
        }
    }

    /// Drops expired entries, then the oldest ones until the rest fits. Warns of each record that has not expired.
    fn shrink(&mut self, capacity: usize, now: Instant) {
        while self.size > capacity || self.oldest().is_some_and(|oldest| oldest.expires_at <= now) {
            let Some(key) = self.by_age.values().next().cloned() else {
                return;
            };
            if self
                .oldest()
                .is_some_and(|oldest| oldest.expires_at > now && oldest.record.is_some())
            {
                events::memory_full();
            }
            self.remove(&key);
        }
    }

    fn oldest(&self) -> Option<&Entry> {
        self.by_key.get(self.by_age.values().next()?)
    }
}

fn size(key: &str, entry: &Entry) -> usize {
    OVERHEAD + 2 * key.len() + entry.record.as_ref().map_or(0, Vec::len)
}

impl ReplayStore for MemoryStore {
    async fn begin(
        &self,
        key: &str,
        token: FencingToken,
        ttl: Duration,
    ) -> Result<Begun, StoreError> {
        self.begin_recent(key, token, ttl, Duration::ZERO).await
    }

    async fn begin_recent(
        &self,
        key: &str,
        token: FencingToken,
        ttl: Duration,
        min_left: Duration,
    ) -> Result<Begun, StoreError> {
        let now = Instant::now();
        let mut entries = self.lock();
        match entries.get(key, now) {
            Some(Entry {
                record: Some(record),
                expires_at,
                ..
            }) if *expires_at >= after(now, min_left) => {
                return Ok(Begun::Recorded(record.clone()));
            }
            Some(entry) if entry.token > token => return Ok(Begun::Stale),
            _ => {}
        }
        entries.put(key, token, None, after(now, ttl));
        entries.shrink(self.capacity, now);
        Ok(Begun::Fresh)
    }

    async fn finish(
        &self,
        key: &str,
        token: FencingToken,
        record: Vec<u8>,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        let now = Instant::now();
        let mut entries = self.lock();
        if entries
            .get(key, now)
            .is_none_or(|entry| entry.token != token)
        {
            return Ok(false);
        }
        if OVERHEAD + 2 * key.len() + record.len() > self.capacity {
            // It does not fit even into an empty store, so do not drop the others for it.
            events::exceeds_memory(record.len(), self.capacity);
            entries.remove(key);
            return Ok(true);
        }
        entries.put(key, token, Some(record), after(now, ttl));
        entries.shrink(self.capacity, now);
        Ok(true)
    }
}

/// Limited to a hundred years, so that the addition never overflows.
fn after(now: Instant, ttl: Duration) -> Instant {
    const MAX_TTL: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    now + ttl.min(MAX_TTL)
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.lock();
        f.debug_struct("MemoryStore")
            .field("entries", &entries.by_key.len())
            .field("bytes", &entries.size)
            .finish()
    }
}
