//! What the tests of all kinds of connection share: times with a meaning, and operations that every kind has to support.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use redlock::{Builder, Error, FaultKind, NodeAddress, NodeError, Redlock};

/// A ttl that does not expire within a test: a key that is gone earlier was released.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A bound for a few round trips, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(5);

/// A bound for longer operations.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// Time for handshakes on a busy machine.
pub(crate) const PATIENT: Duration = Duration::from_secs(2);

pub(crate) const KEY: &str = "invoice:42";

/// A client whose node time-out leaves time for a busy machine: these tests are not about time.
pub(crate) fn patient<I>(nodes: I) -> Builder
where
    I: IntoIterator,
    I::Item: Into<NodeAddress>,
{
    Redlock::builder().nodes(nodes).node_timeout(PATIENT)
}

/// Whether the server does not support what `servers` requires. Prints that.
pub(crate) async fn lacks(servers: &tests::cluster::Builder) -> bool {
    let refusal = servers.lacks().await;
    if let Some(refusal) = &refusal {
        println!("not run, since the server says: {refusal}");
    }
    refusal.is_some()
}

/// The life of a lock with two clients: held by one, refused to the other, extended, inspected, passed on.
pub(crate) async fn cycle(one: &Redlock, other: &Redlock, key: &str) {
    let first = one.lock(key).ttl(LONG).no_wait().await.expect("free");
    assert!(
        other.try_lock(key).await.expect("an answer").is_none(),
        "two holders of {key}"
    );
    first.extend().await.expect("still held");
    let holder = other.holder(key).await.expect("an answer");
    assert_eq!(holder.expect("a holder").owner, first.owner());
    let token = first.token();
    first.release().await.expect("released");
    let second = other.lock(key).ttl(LONG).wait(SOON).await.expect("free");
    assert!(second.token() > token, "tokens of {key} do not increase");
    second.cool_down(LONG).await.expect("cooling down");
    assert!(one.try_lock(key).await.expect("an answer").is_none());
    one.force_release(key).await.expect("taken away");
    assert!(!other.is_locked(key).await.expect("an answer"));
}

/// Tasks of several clients on one key run one at a time, and all get a turn.
pub(crate) async fn contention(clients: &[Redlock], key: &str) {
    const TURNS: usize = 5;
    let busy = Arc::new(AtomicBool::new(false));
    let turns = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = clients
        .iter()
        .flat_map(|client| [client.clone(), client.clone()])
        .map(|client| {
            let (busy, turns, key) = (Arc::clone(&busy), Arc::clone(&turns), key.to_owned());
            tokio::spawn(async move {
                for _ in 0..TURNS {
                    let guard = client
                        .lock(&key)
                        .ttl(LONG)
                        .wait(BOUND)
                        .await
                        .expect("a turn");
                    assert!(!busy.swap(true, SeqCst), "two at once under {key}");
                    tokio::time::sleep(Duration::from_millis(2)).await;
                    busy.store(false, SeqCst);
                    turns.fetch_add(1, SeqCst);
                    guard.release().await.expect("released");
                }
            })
        })
        .collect();
    let expected = tasks.len() * TURNS;
    for task in tasks {
        task.await.expect("no panic");
    }
    assert_eq!(turns.load(SeqCst), expected);
}

/// The error of the node whose name contains `name`.
pub(crate) fn blamed<'a>(error: &'a Error, name: &str) -> &'a NodeError {
    let node = error
        .node_errors()
        .iter()
        .find(|node| node.node().contains(name));
    node.unwrap_or_else(|| panic!("{name} is not named: {error}"))
}

/// Asserts that the error names the node and the kind of its fault, and that its cause contains each of `words`.
#[track_caller]
pub(crate) fn assert_blames(error: &Error, name: &str, kind: FaultKind, words: &[&str]) {
    assert!(error.is_no_quorum(), "{error}");
    let node = blamed(error, name);
    assert_eq!(node.kind(), kind, "{error}");
    for word in words {
        assert!(
            node.cause().contains(word),
            "the cause of {} does not say {word:?}: {}",
            node.node(),
            node.cause()
        );
    }
}
