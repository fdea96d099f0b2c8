//! The `redlock` of crates.io, which blocks: its calls run where an async program has to put them.

use std::{future::Future, sync::Arc, time::Duration};

use peer_redlock::{Lock, RedLock};
use tokio::task::spawn_blocking;

use super::Session;
use crate::{outcome::Outcome, recipe::TTL};

pub(super) fn connect(urls: &[String], delay: Duration) -> Arc<RedLock> {
    let mut manager = RedLock::new(urls.to_vec());
    manager.set_retry(3, u32::try_from(delay.as_millis()).unwrap_or(u32::MAX));
    Arc::new(manager)
}

impl Session for Arc<RedLock> {
    async fn cycle(&mut self, key: &str, body: impl Future<Output = ()> + Send) -> Outcome<u64> {
        let (manager, resource) = (Self::clone(self), key.as_bytes().to_vec());
        let (resource, val) = spawn_blocking(move || {
            loop {
                match manager.lock(&resource, TTL.as_millis() as usize) {
                    Ok(Some(Lock { val, .. })) => return Ok((resource, val)),
                    Ok(None) => {}
                    Err(error) => return Err(error.to_string()),
                }
            }
        })
        .await??;
        body.await;
        let manager = Self::clone(self);
        spawn_blocking(move || {
            manager.unlock(&Lock {
                resource,
                val,
                validity_time: 0,
                lock_manager: &manager,
            });
        })
        .await?;
        Ok(0)
    }
}
