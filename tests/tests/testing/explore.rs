//! `sim::explore` finds what breaks code without a fencing token, and passes the code with one.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    time::Duration,
};

use redlock::{
    FencingToken,
    sim::{self, Explorer, Failure, Hazard, Process, World},
    testing::{assert_held, assert_released_within},
};
use tokio::time::sleep;

use crate::said;

/// Longer than all faults.
const FOREVER: Duration = Duration::from_secs(600);
/// Short, so that a pause is often longer.
const TTL: Duration = Duration::from_secs(2);

/// A counter in a store outside of the processes, with a check of tokens that may be off.
#[derive(Debug, Default)]
struct Store {
    checks: bool,
    highest: Option<FencingToken>,
    value: u64,
}

impl Store {
    /// Whether the store takes a request with this token. Reads pass it as well: else the late write of an earlier holder could
    /// come between a read and its write.
    fn accepts(&mut self, token: FencingToken) -> bool {
        if self.checks && self.highest.is_some_and(|highest| token < highest) {
            return false;
        }
        self.highest = self.highest.max(Some(token));
        true
    }

    fn read(&mut self, token: FencingToken) -> Option<u64> {
        self.accepts(token).then_some(self.value)
    }

    fn write(&mut self, token: FencingToken, value: u64) -> bool {
        let accepted = self.accepts(token);
        if accepted {
            self.value = value;
        }
        accepted
    }
}

/// Reads, adds one and writes, under the lock; returns how often the store took the write.
async fn add(world: World, process: Process, store: Arc<Mutex<Store>>, times: u32) -> u64 {
    let mut written = 0;
    for _ in 0..times {
        let lock = process.redlock().lock("counter").ttl(TTL);
        let Ok(guard) = lock.await else {
            continue;
        };
        world.latency().await;
        let read = store.lock().expect("whole").read(guard.token());
        world.latency().await;
        if let Some(read) = read {
            let accepted = store.lock().expect("whole").write(guard.token(), read + 1);
            written += u64::from(accepted);
        }
        // A release that fails is no matter of the counter.
        let _ = guard.release().await;
    }
    written
}

async fn read_modify_write(world: World, checks: bool) {
    let store = Arc::new(Mutex::new(Store {
        checks,
        ..Store::default()
    }));
    let processes: Vec<_> = (0..3)
        .map(|_| {
            let (inside, store) = (world.clone(), Arc::clone(&store));
            world.spawn(|process| add(inside, process, store, 2))
        })
        .collect();
    let mut written = 0;
    for process in processes {
        // What a process that crashed wrote is not counted: it may only be more.
        written += process.await.unwrap_or(0);
    }
    let value = store.lock().expect("whole").value;
    assert!(
        value >= written,
        "{written} writes were accepted, and the counter is {value}"
    );
}

#[test]
fn a_read_modify_write_without_a_token_is_found() {
    let failure = Explorer::new()
        .first_failure(0..1_000, |world| read_modify_write(world, false))
        .expect("a lost update within 1,000 seeds");
    println!("{failure}");
    assert!(
        failure.message.contains("writes were accepted"),
        "{failure}"
    );
    assert!(!failure.faults.is_empty(), "{failure}");
    // The seed fails again.
    let again =
        Explorer::new().first_failure([failure.seed], |world| read_modify_write(world, false));
    assert_eq!(again.map(|failure| failure.seed), Some(failure.seed));
}

#[test]
fn the_same_with_a_token_passes() {
    sim::explore(0..100, |world| read_modify_write(world, true));
}

#[test]
fn the_same_with_a_token_passes_with_a_thousand_seeds() {
    sim::explore(100..1_000, |world| read_modify_write(world, true));
}

/// The message of a failure names the seed, what failed, and the faults.
#[test]
fn a_failure_is_reported_with_its_seed() {
    let explored = catch_unwind(AssertUnwindSafe(|| {
        sim::explore([7], |_| async { panic!("asked for by the test") });
    }));
    let message = said(explored);
    assert!(
        message.starts_with("seed 7 fails: asked for by the test"),
        "{message}"
    );
    assert!(
        message.ends_with("run it again with the seeds [7]"),
        "{message}"
    );
}

#[test]
fn a_process_that_panics_fails_the_run() {
    let failure = Explorer::new().first_failure([7], |world| async move {
        let process = world.spawn(async |_: Process| panic!("asked for by the test"));
        let never = sleep(FOREVER);
        drop(process);
        never.await;
    });
    assert_eq!(
        failure.map(|failure| failure.message),
        Some("asked for by the test".to_owned())
    );
}

#[test]
fn a_run_that_does_not_end_fails() {
    let failure = Explorer::new().first_failure([7], |_| std::future::pending());
    let failure = failure.expect("it does not end");
    assert_eq!(failure.message, "it has not ended after 3600s");
}

/// A crash releases nothing: the lock is held by nobody who runs, and expires.
#[test]
fn the_lock_of_a_process_that_crashed_expires() {
    let mut explorer = Explorer::new();
    for hazard in [
        Hazard::Pause,
        Hazard::LostReplies,
        Hazard::Cut,
        Hazard::Node,
        Hazard::ClockShift,
    ] {
        explorer = explorer.without(hazard);
    }
    explorer.run(0..50, |world| async move {
        let ttl = Duration::from_secs(10);
        let process = world.spawn(async move |process: Process| {
            let guard = process.redlock().lock("export").ttl(ttl).await;
            let guard = guard.expect("free");
            sleep(FOREVER).await;
            drop(guard);
        });
        assert_eq!(process.await, None, "it sleeps until it crashes");
        if world.nodes().node(0).get("export").is_some() {
            assert_held(world.nodes(), "export");
            sleep(Duration::from_secs(2)).await;
            assert!(
                world.nodes().node(0).get("export").is_some(),
                "nobody releases it"
            );
        }
        assert_released_within(world.nodes(), "export", ttl).await;
    });
}

/// Once all faults have ended, everybody has the lock, and leaves nothing behind.
#[test]
fn calm_ends_all_faults() {
    sim::explore(0..50, |world| async move {
        let processes: Vec<_> = (0..2)
            .map(|_| {
                world.spawn(async |process: Process| {
                    sleep(Duration::from_secs(1)).await;
                    // A node that restarted empty, and one that was hung when it was, may cost a quorum for the guard time.
                    let lock = process
                        .redlock()
                        .lock("export")
                        .wait(Duration::from_secs(300));
                    lock.run(async |_| ()).await
                })
            })
            .collect();
        sleep(Duration::from_secs(2)).await;
        world.calm();
        for process in processes {
            if let Some(exported) = process.await {
                exported.expect("everything works again");
            }
        }
        assert_released_within(world.nodes(), "export", Duration::from_secs(11)).await;
    });
}

/// Each seed has faults of its own, and the same ones each time.
#[test]
fn faults_follow_from_the_seed() {
    let faults = |seed| -> Failure {
        let failure = Explorer::new().first_failure([seed], |world| async move {
            for _ in 0..2 {
                world.spawn(async |_: Process| sleep(FOREVER).await);
            }
            sleep(Duration::from_secs(30)).await;
            panic!("to see the faults");
        });
        failure.expect("it panics")
    };
    let histories: BTreeSet<Vec<String>> = (0..20).map(|seed| faults(seed).faults).collect();
    assert!(histories.len() > 15, "{histories:#?}");
    for seed in 0..20 {
        assert_eq!(faults(seed), faults(seed));
    }
}

#[tokio::test]
async fn exploring_inside_a_runtime_is_an_error_with_a_remedy() {
    let explored = catch_unwind(AssertUnwindSafe(|| sim::explore([7], |_| async {})));
    assert!(said(explored).contains("call this in a plain #[test]"));
}
