//! A thousand waiters of a semaphore: its permits are never left unused for long.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use tests::{Cluster, within};
use tokio::task::JoinSet;

use super::client;

const PERMITS: usize = 16;
const WAITERS: usize = 1_000;
/// Clients, as processes have them.
const CLIENTS: usize = 4;
const WORK: Duration = Duration::from_millis(40);
/// Longer than all of it takes on a machine that is very busy.
const BOUND: Duration = Duration::from_secs(120);
/// If a release woke nobody, the permit would be unused for as long as a waiter sleeps: many times as long as it was used.
const LEAST_BUSY: f64 = 0.5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_waiters_keep_all_permits_busy() {
    let cluster = Cluster::start(3).await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(client(&cluster).await);
    }
    let held = Arc::new(AtomicUsize::new(0));
    let holds = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    for task in 0..WAITERS {
        let permits = u32::try_from(PERMITS).expect("a few");
        let semaphore = clients[task % CLIENTS].semaphore("export", permits);
        let (held, holds) = (Arc::clone(&held), Arc::clone(&holds));
        tasks.spawn(async move {
            let permit = semaphore.acquire().wait(BOUND).await;
            let permit = permit.expect("a permit in time");
            let began = Instant::now();
            let at_once = held.fetch_add(1, SeqCst) + 1;
            assert!(at_once <= PERMITS, "{at_once} permits at once");
            tokio::time::sleep(WORK).await;
            held.fetch_sub(1, SeqCst);
            holds
                .lock()
                .expect("no panic")
                .push((began, Instant::now()));
            permit.release().await.expect("three nodes");
        });
    }
    within(BOUND, async {
        while let Some(done) = tasks.join_next().await {
            done.expect("at most 16 at once");
        }
    })
    .await;
    let holds = holds.lock().expect("no panic");
    assert_eq!(holds.len(), WAITERS);
    let busy = busy(&holds);
    println!(
        "{WAITERS} waiters kept {PERMITS} permits busy for {:.1} % of the time",
        busy * 100.0
    );
    assert!(
        busy > LEAST_BUSY,
        "busy for {:.1} % of the time",
        busy * 100.0
    );
}

/// The part of the time for which permits were held, from the first hold to the beginning of the last one: after that there are
/// no waiters.
fn busy(holds: &[(Instant, Instant)]) -> f64 {
    let first = holds.iter().map(|(began, _)| *began).min().expect("holds");
    let last = holds.iter().map(|(began, _)| *began).max().expect("holds");
    let held = holds
        .iter()
        .map(|(began, ended)| (*ended).min(last) - *began);
    let all = (last - first).as_secs_f64() * PERMITS as f64;
    held.sum::<Duration>().as_secs_f64() / all
}
