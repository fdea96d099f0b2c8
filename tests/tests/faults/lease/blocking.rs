//! `run` cancels its body at an await. Blocking work that the body started continues, and has to check the lock itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use redlock::{Redlock, memory::Nodes};
use tests::{eventually, within};

const SOON: Duration = Duration::from_secs(10);
/// A runtime waits for its blocking work, so the work has to end even if the test fails.
const GIVE_UP: Duration = Duration::from_secs(30);

/// How many steps of blocking work ran, and how many of them after the lock was over.
#[derive(Debug, Default)]
struct Steps {
    all: AtomicUsize,
    unlocked: AtomicUsize,
}

#[tokio::test(flavor = "multi_thread")]
async fn f63_blocking_work_that_checks_its_lock_stops_after_the_loss() {
    let cluster = Nodes::new(3);
    let redlock = Redlock::connect(cluster.nodes()).await.unwrap();
    let steps = Arc::new(Steps::default());
    let run = redlock
        .lock("export")
        .max_hold(Duration::from_millis(200))
        .run({
            let steps = Arc::clone(&steps);
            async move |held| {
                let begun = Instant::now();
                let export = move || {
                    while !held.is_lost() && begun.elapsed() < GIVE_UP {
                        steps.all.fetch_add(1, SeqCst);
                        std::thread::sleep(Duration::from_millis(5));
                    }
                };
                tokio::task::spawn_blocking(export).await
            }
        });
    let lost = within(SOON, run).await.unwrap_err();
    assert!(lost.is_lost(), "{lost}");
    // The work ends by itself: nothing else holds its counter.
    eventually(SOON, async || Arc::strong_count(&steps) == 1).await;
    assert!(steps.all.load(SeqCst) > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn f63_blocking_work_that_does_not_check_its_lock_continues_after_the_loss() {
    let cluster = Nodes::new(3);
    let redlock = Redlock::connect(cluster.nodes()).await.unwrap();
    let steps = Arc::new(Steps::default());
    let stop = Arc::new(AtomicUsize::new(0));
    let run = redlock
        .lock("export")
        .max_hold(Duration::from_millis(200))
        .run({
            let (steps, stop) = (Arc::clone(&steps), Arc::clone(&stop));
            async move |held| {
                let begun = Instant::now();
                let export = move || {
                    while stop.load(SeqCst) == 0 && begun.elapsed() < GIVE_UP {
                        if held.is_lost() {
                            steps.unlocked.fetch_add(1, SeqCst);
                        }
                        std::thread::sleep(Duration::from_millis(5));
                    }
                };
                tokio::task::spawn_blocking(export).await
            }
        });
    assert!(within(SOON, run).await.unwrap_err().is_lost());
    let unlocked = async || steps.unlocked.load(SeqCst) > 2;
    eventually(SOON, unlocked).await;
    stop.store(1, SeqCst);
}
