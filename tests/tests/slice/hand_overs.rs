//! A lease that is handed over many times in its process: it gets further tokens in time, and keeps what tokens promise.

use std::{sync::Arc, thread, time::Duration};

use redlock::{FencingToken, Redlock};
use tests::{Cluster, eventually, within};
use tokio::{sync::Mutex, task::JoinSet};

const BOUND: Duration = Duration::from_secs(60);
/// A lease reserves this many tokens when it is granted.
const FIRST: usize = 256;
/// How many holds of one lease show that it got more. Few enough for the 100 ms for which a lease is handed over.
const MORE: usize = FIRST + 32;
const TASKS: usize = 8;
/// How long a hold blocks the runtime, so that the servers have the time to answer while holds go on.
const PAUSE: Duration = Duration::from_micros(50);

/// The tokens of all holds, in the order of the holds. Ends when `enough` says so.
async fn tokens_of_holds(
    redlock: &Redlock,
    key: &str,
    enough: fn(&[FencingToken]) -> bool,
) -> Vec<FencingToken> {
    let tokens = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (redlock, key, tokens) = (redlock.clone(), key.to_owned(), Arc::clone(&tokens));
        tasks.spawn(async move {
            loop {
                let guard = redlock.lock(&key).wait(BOUND).await.expect("the lock");
                thread::sleep(PAUSE);
                let mut tokens = tokens.lock().await;
                tokens.push(guard.token());
                if enough(&tokens) {
                    return;
                }
            }
        });
    }
    within(BOUND, tasks.join_all()).await;
    Arc::into_inner(tokens)
        .expect("all have ended")
        .into_inner()
}

/// The most holds in a row whose tokens follow each other.
fn longest_run(tokens: &[FencingToken]) -> usize {
    let follows = |pair: &[FencingToken]| pair[1].get() == pair[0].get() + 1;
    let (mut longest, mut run) = (1, 1);
    for pair in tokens.windows(2) {
        run = if follows(pair) { run + 1 } else { 1 };
        longest = longest.max(run);
    }
    longest
}

#[tokio::test]
async fn a_lease_gets_further_tokens_before_those_it_has_are_used_up() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
    // Only the end is looked at each time: this is called for each hold.
    let enough = |tokens: &[FencingToken]| {
        let last = tokens.get(tokens.len().saturating_sub(MORE)..);
        tokens.len() > MORE && last.is_some_and(|last| longest_run(last) == last.len())
    };
    let tokens = tokens_of_holds(&redlock, "counter", enough).await;
    let run = longest_run(&tokens);
    assert!(run >= MORE, "{run} of {} holds", tokens.len());
    assert!(tokens.is_sorted_by(|one, next| one < next), "tokens grow");

    // What was reserved is on the nodes, so the next holder is above it, in whichever process.
    let last = *tokens.last().expect("a hold");
    eventually(BOUND, async || {
        cluster.locked_on("counter").await.is_empty()
    })
    .await;
    let other = Redlock::connect(cluster.urls()).await.expect("three nodes");
    let guard = other.lock("counter").await.expect("the lock");
    assert!(guard.token() > last, "{} after {last}", guard.token());
}
