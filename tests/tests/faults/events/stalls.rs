//! F75: an event reports a renewal that is late because the runtime was blocked, and its delay.

use std::thread;
use std::time::Duration;

use redlock::{Redlock, memory};
use tests::{Cluster, Logs, eventually};
use tracing::level_filters::LevelFilter;

const BOUND: Duration = Duration::from_secs(30);
const WARNING: &str = "renewals ran late";

fn field(line: &str, name: &str) -> u64 {
    let value = line.split(&format!("{name}=")).nth(1).unwrap();
    value.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn f75_a_stall_of_the_runtime_is_reported_with_its_length() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.unwrap();
    let logs = Logs::capture(LevelFilter::INFO);
    let _guard = redlock.lock("k").ttl(Duration::from_secs(9)).await.unwrap();
    tokio::task::yield_now().await;
    // The renewal is due after 3 s.
    thread::sleep(Duration::from_secs(5));
    eventually(BOUND, async || !logs.lines_with(WARNING).is_empty()).await;
    let warned = logs.lines_with(WARNING);
    assert_eq!(warned.len(), 1, "{warned:?}");
    let (late, sensible) = (
        field(&warned[0], "late_ms"),
        field(&warned[0], "sensible_ttl_ms"),
    );
    assert!(late >= 1_500 && sensible >= 9_000, "{warned:?}");
    assert_eq!(field(&warned[0], "ttl_ms"), 9_000);
}

#[tokio::test]
async fn f75_the_loss_of_a_lock_in_a_stall_is_explained() {
    let redlock = Redlock::connect(memory::Nodes::new(3).nodes())
        .await
        .unwrap();
    let logs = Logs::capture(LevelFilter::INFO);
    let ttl = Duration::from_millis(500);
    let guard = redlock.lock("k").ttl(ttl).await.unwrap();
    tokio::task::yield_now().await;
    thread::sleep(2 * ttl);
    eventually(BOUND, async || {
        guard.is_lost() && !logs.lines_with(WARNING).is_empty()
    })
    .await;
    assert_eq!(logs.lines_with("lock lost").len(), 1, "{}", logs.text());
}

#[tokio::test]
async fn f75_timely_renewals_and_ended_locks_cause_no_warning() {
    let redlock = Redlock::connect(memory::Nodes::new(3).nodes())
        .await
        .unwrap();
    let logs = Logs::capture(LevelFilter::INFO);
    let released = redlock
        .lock("k")
        .ttl(Duration::from_millis(300))
        .await
        .unwrap();
    released.release().await.unwrap();
    // Nothing is due any more.
    thread::sleep(Duration::from_millis(600));
    let held = redlock
        .lock("k")
        .ttl(Duration::from_secs(20))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(!held.is_lost());
    assert!(logs.lines_with(WARNING).is_empty(), "{}", logs.text());
}

#[tokio::test]
async fn f75_a_thread_of_its_own_renews_while_the_runtime_is_blocked() {
    let cluster = Cluster::start(3).await;
    let ttl = Duration::from_millis(1_500);
    for own in [false, true] {
        let builder = Redlock::builder().nodes(cluster.urls()).renewal_thread(own);
        let redlock = builder.connect().await.unwrap();
        let guard = redlock.lock("k").ttl(ttl).await.unwrap();
        tokio::task::yield_now().await;
        // No task of this runtime runs.
        thread::sleep(2 * ttl);
        assert_eq!(guard.is_lost(), !own, "renewal_thread({own})");
        if own {
            guard.release().await.unwrap();
        }
        redlock.close().await;
    }
}

#[tokio::test]
async fn f75_a_thread_of_its_own_delivers_releases_and_ends() {
    let threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
        tasks
            .filter_map(|task| name(task).ok())
            .filter(|name| name.trim() == "redlock")
            .count()
    };
    let cluster = Cluster::start(3).await;
    let builder = Redlock::builder()
        .nodes(cluster.urls())
        .renewal_thread(true);
    let redlock = builder.connect().await.unwrap();
    let guard = redlock.lock("k").await.unwrap();
    let other = thread::spawn(move || drop((guard, redlock)));
    other.join().unwrap();
    eventually(BOUND, async || cluster.locked_on("k").await.is_empty()).await;
    eventually(BOUND, async || threads() == 0).await;
}
