//! Keeping the map up to date.

use std::{sync::Weak, time::Duration};

use tokio::time::{sleep, timeout};

use super::{super::redis::Surveyor, Shared};

/// The pause between two looks at the map while something is wrong; it doubles up to [`PAUSE_MOST`].
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MOST: Duration = Duration::from_secs(1);
/// A server that has not been connected to yet answers after so many steps, each of which has a node time-out.
const STEPS: u32 = 4;

/// Keeps the map up to date for as long as somebody uses it.
pub(super) async fn watch(shards: Weak<Shared>, mut surveyor: Surveyor, every: Duration) {
    let mut pause = PAUSE;
    let mut recorded = None;
    loop {
        let Some(shared) = shards.upgrade() else {
            return;
        };
        let asked = shared.clock.now();
        match surveyor.look(shared.timeout * STEPS).await {
            Ok(mut surveyed) => {
                if surveyed.confirmed {
                    surveyed.confirmed = shared.recall(&surveyed.slots, &mut surveyor).await;
                }
                shared.surveyed(&surveyed, asked);
                if surveyed.confirmed {
                    shared
                        .record(&surveyed.slots, &mut surveyor, &mut recorded)
                        .await;
                }
            }
            Err(fault) => shared.no_map(&fault),
        }
        if shared.is_well() {
            pause = PAUSE;
            let _ = timeout(every, shared.doubted.notified()).await;
        }
        drop(shared);
        sleep(pause.min(every)).await;
        pause = (pause * 2).min(PAUSE_MOST);
    }
}
