//! A replay store for tests: in memory, with counts of its calls and failures on request.

use redlock::FencingToken;
use redlock_tower::replay::{Begun, MemoryStore, ReplayStore, StoreError};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

/// A store in memory. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct TestStore {
    store: MemoryStore,
    calls: Arc<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    begun: AtomicUsize,
    finished: AtomicUsize,
    failures: AtomicUsize,
}

impl TestStore {
    /// Fails the next writes of records. 0 ends the failures.
    pub fn fail_next(&self, writes: usize) {
        self.calls.failures.store(writes, SeqCst);
    }

    /// How many of the next writes will fail.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.calls.failures.load(SeqCst)
    }

    /// How often a record was looked for, or a marker renewed.
    #[must_use]
    pub fn begun(&self) -> usize {
        self.calls.begun.load(SeqCst)
    }

    /// How many records were written.
    #[must_use]
    pub fn finished(&self) -> usize {
        self.calls.finished.load(SeqCst)
    }
}

impl ReplayStore for TestStore {
    async fn begin(
        &self,
        key: &str,
        token: FencingToken,
        ttl: Duration,
    ) -> Result<Begun, StoreError> {
        self.calls.begun.fetch_add(1, SeqCst);
        self.store.begin(key, token, ttl).await
    }

    async fn finish(
        &self,
        key: &str,
        token: FencingToken,
        record: Vec<u8>,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        let one_less = |failures: usize| failures.checked_sub(1);
        if (self.calls.failures.fetch_update(SeqCst, SeqCst, one_less)).is_ok() {
            return Err(StoreError::new("on purpose"));
        }
        let stored = self.store.finish(key, token, record, ttl).await;
        self.calls.finished.fetch_add(1, SeqCst);
        stored
    }
}
