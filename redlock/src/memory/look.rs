//! Inspecting what a node in memory holds, and writing values that no lock writes.

use std::time::Duration;

use super::{Node, store::Value};
use crate::{env::sync::lock, key::reserved};

impl Node {
    /// The name of the node in errors and reports.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The reply to `GET`. Also `None` for a key that holds no string.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<String> {
        let mut server = lock(&self.inner.server);
        server.store.tick();
        let text = server.store.text(key.as_bytes())?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// The remaining ttl of a key, as by `PTTL`. `None` if it has no ttl or does not exist.
    #[must_use]
    pub fn ttl(&self, key: &str) -> Option<Duration> {
        let mut server = lock(&self.inner.server);
        server.store.tick();
        server.store.left(key.as_bytes()).flatten()
    }

    /// Writes a value that no lock writes: a string without expiry.
    pub fn set(&self, key: &str, value: &str) {
        self.write(key, Value::Text(value.into()));
    }

    /// Writes a hash, like an application that uses the key for something else.
    pub fn set_hash(&self, key: &str) {
        self.write(key, Value::Hash);
    }

    /// Lets a key expire after `ttl`, like `PEXPIRE` by an application or an operator. Returns whether it exists.
    pub fn expire(&self, key: &str, ttl: Duration) -> bool {
        let mut server = lock(&self.inner.server);
        server.store.tick();
        server.store.expire(key.as_bytes(), ttl)
    }

    /// How many calls with several commands it has carried out.
    #[doc(hidden)]
    #[must_use]
    pub fn __batches(&self) -> u64 {
        lock(&self.inner.server).batches
    }

    fn write(&self, key: &str, value: Value) {
        self.with(|server, _| {
            server.store.tick();
            server.store.set(key.as_bytes(), value, None);
        });
    }

    /// Deletes a key. Returns whether it existed.
    pub fn delete(&self, key: &str) -> bool {
        let mut server = lock(&self.inner.server);
        server.store.tick();
        server.store.delete(key.as_bytes())
    }

    /// The keys that have not expired, sorted. Without the record in which a node keeps the lists
    /// of nodes of its clients.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let mut server = lock(&self.inner.server);
        server.store.tick();
        let keys = server.store.keys().into_iter();
        let keys = keys.filter(|key| !key.ends_with(reserved::NODES.as_bytes()));
        keys.map(|key| String::from_utf8_lossy(key).into_owned())
            .collect()
    }

    /// All keys in order, for the conformance test.
    #[cfg(feature = "__wire")]
    pub(crate) fn keyspace(&self) -> Vec<super::server::Entry> {
        let mut entries = Vec::new();
        self.with(|server, wakers| entries = server.keyspace(wakers));
        entries
    }
}
