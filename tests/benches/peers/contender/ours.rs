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
    with_bounds(redlock.lock(key))
}

fn with_bounds(request: LockRequest) -> LockRequest {
    request.ttl(TTL).wait(Duration::from_secs(60))
}

async fn cycle(request: LockRequest, body: impl Future<Output = ()> + Send) -> Outcome<u64> {
    let guard = request.await?;
    let token = guard.token().get();
    body.await;
    guard.release().await?;
    Ok(token)
}

impl Session for Redlock {
    async fn cycle(&mut self, key: &str, body: impl Future<Output = ()> + Send) -> Outcome<u64> {
        cycle(load(self, key), body).await
    }
}

/// Readers of its read/write lock.
#[derive(Clone)]
pub(super) struct Readers(pub(super) Redlock);

impl Session for Readers {
    async fn cycle(&mut self, key: &str, body: impl Future<Output = ()> + Send) -> Outcome<u64> {
        cycle(with_bounds(self.0.rwlock(key).read()), body).await
    }
}

/// Its semaphore, with so many permits.
#[derive(Clone)]
pub(super) struct Permits(pub(super) Redlock, pub(super) u32);

impl Session for Permits {
    async fn cycle(&mut self, key: &str, body: impl Future<Output = ()> + Send) -> Outcome<u64> {
        let semaphore = self.0.semaphore(key, self.1);
        cycle(with_bounds(semaphore.acquire()), body).await
    }
}
