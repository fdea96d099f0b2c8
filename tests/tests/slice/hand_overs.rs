//! A lease that is handed over many times in its process: it gets further tokens in time, and keeps what tokens promise.

use std::{sync::Arc, time::Duration};

use redlock::{FencingToken, Redlock};
use tests::{Cluster, eventually, within};
use tokio::{sync::Mutex, task::JoinSet, time::sleep};

const BOUND: Duration = Duration::from_secs(60);
/// A lease reserves this many tokens when it is granted.
const FIRST: usize = 256;
/// How many holds of one lease show that it got more. Few enough for the 100 ms for which a lease is handed over.
const MORE: usize = FIRST + 32;
const TASKS: usize = 8;
/// After so many holds in a row, one takes this long: time for the servers to answer, also on a busy machine. The others are as short
/// as they can be.
const ASKED: usize = 64;
const PAUSE: Duration = Duration::from_millis(20);

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
                let mut tokens = tokens.lock().await;
                tokens.push(guard.token());
                if enough(&tokens) {
                    return;
                }
                let asked = last_run(&tokens) == ASKED;
                drop(tokens);
                if asked {
                    sleep(PAUSE).await;
                }
            }
        });
    }
    within(BOUND, tasks.join_all()).await;
    Arc::into_inner(tokens)
        .expect("all have ended")
        .into_inner()
}

/// How many of the last holds have tokens that follow each other, as those of one lease do. Looks at no more than it needs.
fn last_run(tokens: &[FencingToken]) -> usize {
    let follows = |pair: &&[FencingToken]| pair[1].get() == pair[0].get() + 1;
    let pairs = tokens.windows(2).rev().take(MORE);
    pairs.take_while(follows).count() + 1
}

#[tokio::test]
async fn a_lease_gets_further_tokens_before_those_it_has_are_used_up() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
    let enough = |tokens: &[FencingToken]| last_run(tokens) >= MORE;
    let tokens = tokens_of_holds(&redlock, "counter", enough).await;
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
