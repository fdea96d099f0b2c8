//! The delay of a job after its instants.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use redlock::{Redlock, job::RunState};

use super::{EVERY, client, job, seconds};

const MAX_JITTER: Duration = Duration::from_secs(8);

/// The delays of the firings of a job in a minute.
async fn delays(redlock: &Redlock, name: &str) -> Vec<Duration> {
    let ran = Arc::new(Mutex::new(0));
    let replica = redlock.job(name, EVERY).jitter(MAX_JITTER).spawn({
        let ran = Arc::clone(&ran);
        move |_, _| {
            *ran.lock().expect("no panic") += 1;
            async {}
        }
    });
    let mut delays = Vec::new();
    while delays.len() < 3 {
        let before = *ran.lock().expect("no panic");
        while *ran.lock().expect("no panic") == before {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let status = redlock.jobs().status(name).await.expect("three nodes");
        let last = status.and_then(|status| status.last).expect("it ran");
        assert_eq!(last.state, RunState::Completed);
        delays.push(last.started.duration_since(last.firing).expect("later"));
    }
    replica.stop().await.expect("no error");
    delays
}

#[tokio::test(start_paused = true)]
async fn a_job_is_delayed_by_the_same_part_on_each_replica_and_jobs_by_different_ones() {
    let (nodes, redlock, _) = job().await;
    let mut parts = BTreeSet::new();
    for name in ["report", "bill", "clean-up", "back-up"] {
        let mut all = delays(&redlock, name).await;
        all.extend(delays(&client(&nodes).await, name).await);
        let (least, most) = (all.iter().min().copied(), all.iter().max().copied());
        let (least, most) = (least.expect("six"), most.expect("six"));
        assert!(most < MAX_JITTER + seconds(1), "{name}: {all:?}");
        assert!(most - least < Duration::from_millis(500), "{name}: {all:?}");
        parts.insert(least.as_secs());
    }
    assert!(parts.len() > 1, "{parts:?}");
}
