//! E5, E7, E8: lost by the clock, whatever Redis would reply.

use std::time::Duration;

use tests::{Cluster, eventually, within};
use tokio::time::{Instant, sleep, timeout};

use crate::child::Worker;
use crate::support::{BOUND, KEY, LONG, SOON, connect};

#[tokio::test]
async fn e5_redis_is_unreachable() {
    let ttl = Duration::from_secs(2);
    for kill in [false, true] {
        let cluster = Cluster::start(3).await;
        let redlock = connect(&cluster).await;
        let guard = redlock
            .lock(KEY)
            .ttl(ttl)
            .keep_alive(true)
            .await
            .expect("free");
        // Renewed while the nodes are up.
        sleep(ttl * 3 / 2).await;
        assert!(!guard.is_lost());
        for node in cluster.nodes() {
            if kill { node.kill() } else { node.pause() }
        }
        let until = Instant::now() + guard.remaining();
        within(ttl + SOON, guard.lost()).await;
        assert!(
            Instant::now() < until + Duration::from_millis(300),
            "late by {:?}",
            Instant::now() - until
        );
        assert!(guard.is_lost());
    }
}

/// `run` cancels its body then.
#[tokio::test]
async fn e5_a_body_is_cancelled_when_its_lock_is_lost() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    let mut got_through = false;
    let running = redlock
        .lock(KEY)
        .ttl(Duration::from_secs(1))
        .run(async |held| {
            for node in cluster.nodes() {
                node.pause();
            }
            held.lost().await;
            sleep(LONG).await;
            got_through = true;
        });
    let error = within(SOON, running).await.expect_err("cancelled");
    assert!(error.is_lost(), "{error}");
    assert!(!got_through);
}

/// The runtime stalls for longer than the ttl: the first check after it reports the loss, before any timer has run.
#[tokio::test]
async fn e5_the_runtime_stalled_for_longer_than_the_ttl() {
    let ttl = Duration::from_millis(300);
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    let guard = redlock
        .lock(KEY)
        .ttl(ttl)
        .keep_alive(true)
        .await
        .expect("free");
    let lost = guard.lost();
    assert!(!guard.is_lost());
    std::thread::sleep(ttl + Duration::from_millis(50));
    assert_eq!(guard.remaining(), Duration::ZERO);
    assert!(guard.is_lost());
    assert!(
        timeout(Duration::ZERO, lost).await.is_ok(),
        "ready at the first poll"
    );
    assert!(guard.extend().await.expect_err("lost").is_lost());
}

#[tokio::test]
async fn e7_a_maximum_hold_time() {
    let most = Duration::from_millis(1200);
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    let request = redlock
        .lock(KEY)
        .ttl(Duration::from_millis(600))
        .max_hold(most);
    let start = Instant::now();
    let guard = request.clone().keep_alive(true).await.expect("free");
    within(SOON, guard.lost()).await;
    let held = start.elapsed();
    assert!(
        held > most - Duration::from_millis(100) && held < most + Duration::from_millis(300),
        "{held:?}"
    );
    assert!(guard.is_lost());
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;

    let start = Instant::now();
    let endless = request.run(async |_| std::future::pending::<()>().await);
    assert!(
        within(SOON, endless)
            .await
            .expect_err("let go at the maximum")
            .is_lost()
    );
    assert!(
        start.elapsed() < most + Duration::from_millis(300),
        "{:?}",
        start.elapsed()
    );
    redlock
        .lock(KEY)
        .wait(SOON)
        .await
        .expect("free again")
        .release()
        .await
        .expect("released");
}

/// The process is suspended, as by SIGSTOP: the first check after it reports the loss.
///
/// That the validity counts the time for which a *machine* is suspended, and no step of the wall clock, is simulated
/// elsewhere.
#[tokio::test]
async fn e8_the_process_is_suspended_for_longer_than_the_ttl() {
    let cluster = Cluster::start(3).await;
    let mut holder = Worker::start("hold", &cluster, &["1000"]);
    holder.line("held").await;
    holder.pause();
    let redlock = connect(&cluster).await;
    let _guard = redlock
        .lock(KEY)
        .ttl(LONG)
        .wait(BOUND)
        .await
        .expect("expired");
    holder.resume();
    holder.say("look").await;
    assert_eq!(holder.line("look").await, "lost 0");
}
