//! A store that is read, thought about, and written back: what two buyers at once break.

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

    /// Whether there was a ticket left. Safe only while nobody else sells.
    pub(crate) async fn sell(&self) -> bool {
        let left = self.0.load(Ordering::SeqCst);
        let Some(less) = left.checked_sub(1) else {
            return false;
        };
        // A database would take this long to answer; meanwhile the others read the same number.
        sleep(Duration::from_millis(2)).await;
        self.0.store(less, Ordering::SeqCst);
        true
    }
}
