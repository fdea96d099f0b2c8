//! The crate `rslock`.

use std::{future::Future, time::Duration};

use rslock::LockManager;

use super::Session;
use crate::{outcome::Outcome, recipe::TTL};

pub(super) fn connect(urls: &[String], delay: Duration) -> LockManager {
    let mut manager = LockManager::new(urls.to_vec());
    // More tries than by default save it from beginning anew with another owner; nothing else changes.
    manager.set_retry(1_000, delay);
    manager
}

impl Session for LockManager {
    async fn cycle(&mut self, key: &str, body: impl Future<Output = ()> + Send) -> Outcome<u64> {
        let guard = self.acquire(key, TTL).await?;
        body.await;
        guard.release().await;
        Ok(0)
    }
}
