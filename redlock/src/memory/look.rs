//! Looking at what a node in memory holds, and writing what no lock would.

use std::time::Duration;

use super::{Node, store::Value};
use crate::{env::sync::lock, key::reserved};

impl Node {
    /// How the node is called in errors and reports.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// What `GET` would say now; `None` also for what is no string.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<String> {
        let mut server = lock(&self.inner.server);
        server.store.tick();
        let text = server.store.text(key.as_bytes())?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// What is left of a key's ttl, as `PTTL` would say; `None` for one without, and for none.
    #[must_use]
    pub fn ttl(&self, key: &str) -> Option<Duration> {
        let mut server = lock(&self.inner.server);
        server.store.tick();
        server.store.left(key.as_bytes()).flatten()
    }

    /// Writes what no lock would: a string without expiry.
    pub fn set(&self, key: &str, value: &str) {
        self.write(key, Value::Text(value.into()));
    }

    /// Writes a hash, as an application does that uses the key for something else.
    pub fn set_hash(&self, key: &str) {
        self.write(key, Value::Hash);
    }

    fn write(&self, key: &str, value: Value) {
        self.with(|server, _| {
            server.store.tick();
            server.store.set(key.as_bytes(), value, None);
        });
    }

    /// Deletes a key; says whether it was there.
    pub fn delete(&self, key: &str) -> bool {
        let mut server = lock(&self.inner.server);
        server.store.tick();
        server.store.delete(key.as_bytes())
    }

    /// The keys that live now, sorted; without the record in which a node keeps the lists of nodes of its clients.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let mut server = lock(&self.inner.server);
        server.store.tick();
        let keys = server.store.keys().into_iter();
        let keys = keys.filter(|key| !key.ends_with(reserved::NODES.as_bytes()));
        keys.map(|key| String::from_utf8_lossy(key).into_owned())
            .collect()
    }
}
