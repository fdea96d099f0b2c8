//! This crate.

use std::{future::Future, time::Duration};

use redlock::{LockRequest, Redlock};

use super::Session;
use crate::{outcome::Outcome, recipe::TTL};

/// The crate as it comes, but for the fencing.
pub(crate) async fn connect(urls: &[String], fenced: bool) -> Outcome<Redlock> {
    Ok(Redlock::builder()
        .nodes(urls.iter().cloned())
        .fencing(fenced)
        .connect()
        .await?)
}

/// A request as all rows make it.
pub(crate) fn load(redlock: &Redlock, key: &str) -> LockRequest {
    redlock.lock(key).ttl(TTL).wait(Duration::from_secs(60))
}

impl Session for Redlock {
    async fn cycle(&mut self, key: &str, body: impl Future<Output = ()> + Send) -> Outcome<u64> {
        let guard = load(self, key).await?;
        let token = guard.token().get();
        body.await;
        guard.release().await?;
        Ok(token)
    }
}
