//! A position in the local queue, and the wait in it.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{sync::oneshot, time::Instant};

use super::{LocalQueue, Outcome};
use crate::key::Key;

/// Maximum time between two checks of the validity of the holder's lease.
const CHECK: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Position {
    pub(super) queue: Arc<LocalQueue>,
    pub(super) key: Arc<Key>,
    pub(super) receiver: oneshot::Receiver<Outcome>,
}

impl Position {
    /// Waits for the outcome, at most for `within`, and returns the remaining time of the holder after that. Cancel safe: the
    /// position is kept until it is dropped.
    pub(in crate::acquire) async fn wait(
        &mut self,
        within: Duration,
    ) -> Result<Outcome, Option<Duration>> {
        let began = Instant::now();
        let mut now = began;
        let mut check = pin!(tokio::time::sleep(Duration::ZERO));
        loop {
            let left = within.saturating_sub(now - began);
            if left.is_zero() {
                let holder = self.queue.holder(&self.key);
                // An outcome that arrived in the meantime must not be lost.
                let outcome = self.receiver.try_recv();
                return outcome.map_err(|_| holder.map(|lease| lease.remaining()));
            }
            check.as_mut().reset(now + self.next_check().min(left));
            tokio::select! {
                biased;
                outcome = &mut self.receiver => return outcome.map_err(|_| None),
                () = &mut check => now = Instant::now(),
            }
        }
    }

    /// Checks the validity of the holder's lease, and returns when to do so again: it may run out while its guard is still
    /// alive, and nothing else would end it then.
    fn next_check(&self) -> Duration {
        let Some(lease) = self.queue.holder(&self.key) else {
            return CHECK;
        };
        let again = lease.blocks_key_for();
        if again.is_none() {
            lease.check_validity();
        }
        again
            .unwrap_or_default()
            .saturating_add(Duration::from_millis(1))
            .min(CHECK)
    }
}
