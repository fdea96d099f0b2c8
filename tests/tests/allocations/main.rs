//! What a request allocates: as little as possible where its lock is free, and little memory where it waits for long.
//!
//! A program of its own, since counting takes an allocator that other tests should not pay for. Allocations are counted for
//! the thread that causes them, so the client that is measured has a runtime of one thread.

use std::{future::IntoFuture, time::Duration};

use allocation_counter::measure;
use futures_util::future::join_all;
use redlock::{Guard, Redlock, RestartGuard, memory::Nodes};
use tests::{Cluster, eventually, within};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
    time::{Instant, sleep},
};

/// Long enough for anything here, however busy the machine is.
const LONG: Duration = Duration::from_secs(60);

fn one_thread() -> Runtime {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime")
}

#[test]
fn a_request_whose_lock_is_free_allocates_little() {
    let runtime = one_thread();
    let redlock = runtime.block_on(Redlock::connect(Nodes::new(3).nodes()));
    let redlock = redlock.expect("all up");
    let allocated = |n: u32| {
        let request = redlock.lock(format!("key:{n}"));
        let mut acquired = None;
        let counted = measure(|| acquired = Some(runtime.block_on(request.into_future())));
        let guard = acquired.expect("it ran").expect("the lock is free");
        runtime.block_on(guard.release()).expect("it is held");
        counted.count_total
    };
    // The fewest, since a map of the client or of the nodes may grow.
    let fewest = (0..50).map(allocated).min().expect("some");
    println!("allocations of an acquire, those of the nodes in memory included: {fewest}");
    assert!(fewest <= 24, "{fewest} allocations");
}

#[test]
fn a_waiter_takes_little_memory() {
    const WAITERS: usize = 400;
    /// Mostly 2,300: it may vary, since buffers of connections may grow.
    const BYTES: i64 = 3_200;
    let (elsewhere, here) = (Runtime::new().expect("a runtime"), one_thread());
    let cluster = elsewhere.block_on(Cluster::start(3));
    let guards = elsewhere.block_on(hold(&cluster, 2 * WAITERS));
    let redlock = here.block_on(connect(&cluster));
    let mut tasks = JoinSet::new();
    let mut wait = |count: usize| {
        while tasks.len() < count {
            let request = redlock.lock(key(tasks.len())).wait(LONG * 3);
            tasks.spawn_on(request.into_future(), here.handle());
        }
        here.block_on(eventually(LONG, async || waiting(&cluster).await == count));
    };
    // The first ones set up what all of them share.
    wait(WAITERS);
    let mut bytes = measure(|| wait(2 * WAITERS)).bytes_current;
    let limit = BYTES * WAITERS as i64;
    let begun = Instant::now();
    // The last attempts may still be under way.
    while bytes > limit && begun.elapsed() < LONG / 10 {
        let pause = async { sleep(Duration::from_millis(100)).await };
        bytes += measure(|| here.block_on(pause)).bytes_current;
    }
    println!("bytes of a waiter: {}", bytes / WAITERS as i64);
    assert!(bytes <= limit, "{bytes} bytes for {WAITERS} waiters");
    drop((guards, tasks));
}

fn key(n: usize) -> String {
    format!("key:{n}")
}

async fn connect(cluster: &Cluster) -> Redlock {
    // With time for a busy machine.
    let redlock = Redlock::builder()
        .nodes(cluster.urls())
        .node_timeout(LONG / 10);
    let redlock = redlock.restart_guard(RestartGuard::Off).connect();
    within(LONG, redlock).await.expect("all up")
}

/// Another client holds the locks.
async fn hold(cluster: &Cluster, count: usize) -> Vec<Guard> {
    let redlock = connect(cluster).await;
    let locks = (0..count).map(|n| redlock.lock(key(n)).ttl(LONG).into_future());
    let guards = within(LONG, join_all(locks)).await.into_iter();
    guards
        .map(|guard| guard.expect("the lock is free"))
        .collect()
}

/// How many locks have a waiter on a majority of the nodes. The command for a slow node is not sent once the others have
/// decided.
async fn waiting(cluster: &Cluster) -> usize {
    let mut counts = Vec::new();
    for node in cluster.nodes() {
        let keys = node.keys().await;
        let waitlists = keys.iter().filter(|key| key.ends_with(":waiters"));
        counts.push(waitlists.count());
    }
    counts.sort_unstable();
    counts[counts.len() / 2]
}
