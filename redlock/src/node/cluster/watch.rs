//! Keeps the map of slots up to date.

use std::{sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};

use super::{
    super::{
        Nodes,
        redis::{Target, TopologyReader},
    },
    Shared,
};
use crate::env::unwind::caught;

/// The pause between two looks at the map while something is wrong; it doubles up to [`MAX_PAUSE`].
const MIN_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// Maximum number of steps until a new connection to a server has an answer. Each has a node time-out.
const STEPS: u32 = 4;

/// What the task that watches owns. It is dropped at the end of the runtime at the latest.
pub(super) struct Watching {
    pub(super) shared: Arc<Shared>,
    pub(super) _nodes: Arc<Nodes>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.shared.hand_over();
    }
}

/// Keeps the map up to date for as long as it is used, also after a panic in code of the user that this calls, such as a
/// verifier of certificates. It is used as long as releases are on their way.
pub(super) async fn keep_watching(watching: Watching, target: Target, every: Duration) {
    loop {
        let reader = TopologyReader::new(&target);
        match caught(watch(&watching.shared, reader, every)).await {
            Ok(()) => return,
            Err(_panic) => sleep(MAX_PAUSE.min(every)).await,
        }
    }
}

async fn watch(shared: &Arc<Shared>, mut reader: TopologyReader, every: Duration) {
    let mut pause = MIN_PAUSE;
    let mut recorded = None;
    while !shared.is_done() {
        let asked = shared.clock.now();
        match reader.look(shared.timeout * STEPS).await {
            Ok(mut topology) => {
                if topology.confirmed {
                    topology.confirmed = shared.read_records(&topology.slots, &mut reader).await;
                }
                shared.topology(&topology, asked);
                if topology.confirmed {
                    shared
                        .record(&topology.slots, &mut reader, &mut recorded)
                        .await;
                }
            }
            Err(fault) => shared.no_map(&fault),
        }
        if shared.is_well() {
            pause = MIN_PAUSE;
            let _ = timeout(every, shared.doubted.notified()).await;
        }
        sleep(pause.min(every)).await;
        pause = (pause * 2).min(MAX_PAUSE);
    }
}
