//! A store with a read-modify-write that is wrong for two concurrent buyers.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::time::sleep;

#[derive(Debug)]
pub(crate) struct BoxOffice(AtomicU32);

impl BoxOffice {
    pub(crate) fn new(tickets: u32) -> Self {
        BoxOffice(AtomicU32::new(tickets))
    }

    /// Sells a ticket if one is left. Correct only if no other task sells at the same time.
    pub(crate) async fn sell(&self) -> bool {
        let left = self.0.load(Ordering::SeqCst);
        let Some(less) = left.checked_sub(1) else {
            return false;
        };
        // The latency of a database. Meanwhile, other tasks read the same number.
        sleep(Duration::from_millis(2)).await;
        self.0.store(less, Ordering::SeqCst);
        true
    }
}
