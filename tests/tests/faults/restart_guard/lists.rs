//! Clients whose lists of nodes differ.

use std::sync::{Arc, Mutex};

use redlock::{ErrorKind, FaultKind};
use tests::within;
use tokio::time::Instant;

use super::*;

/// A guard time of some seconds.
const SHORT: Duration = Duration::from_secs(1);

/// For a busy machine.
const SLACK: Duration = Duration::from_secs(30);

fn of(cluster: &Cluster, nodes: &[usize]) -> Builder {
    with(nodes.iter().map(|&node| cluster.node(node).url()))
}

fn with(urls: impl IntoIterator<Item = String>) -> Builder {
    Redlock::builder()
        .nodes(urls)
        .node_timeout(Duration::from_secs(2))
        .ttl(SHORT)
        .max_ttl(SHORT)
        .clock_skew(SHORT)
}

/// A client with these nodes, as soon as the nodes accept it.
async fn as_soon_as_possible(cluster: &Cluster, nodes: &[usize]) -> Redlock {
    within(BOUND, async {
        loop {
            match of(cluster, nodes).connect().await {
                Ok(redlock) => return redlock,
                Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidNodes, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
    .await
}

#[tokio::test]
async fn f64_a_conflicting_list_is_refused_and_both_lists_are_named() {
    let cluster = Cluster::start(5).await;
    let old = of(&cluster, &[0, 1, 2])
        .connect()
        .await
        .expect("three nodes");
    for other in [&[0, 1, 3][..], &[0, 1, 2, 3, 4], &[0], &[2, 3, 4]] {
        let error = of(&cluster, other).connect().await.expect_err("two lists");
        assert_eq!(error.kind(), ErrorKind::InvalidNodes, "{error}");
        let text = error.to_string();
        for &node in other.iter().chain(&[0, 1, 2]) {
            assert!(
                text.contains(&cluster.node(node).address().to_string()),
                "{text}"
            );
        }
    }
    let guard = old.try_lock(KEY).await.expect("three nodes").expect("free");
    guard.release().await.expect("released");
}

/// From three nodes to one, when no client uses the three any more: the error says how long it takes, and that is correct.
#[tokio::test]
async fn f64_the_error_says_how_long_a_list_counts() {
    let cluster = Cluster::start(3).await;
    let old = of(&cluster, &[0, 1, 2])
        .connect()
        .await
        .expect("three nodes");
    drop(old);
    let error = of(&cluster, &[0]).connect().await.expect_err("two lists");
    let text = error.to_string();
    let words: Vec<&str> = text.split_whitespace().collect();
    let seconds = words.windows(2).find(|pair| pair[1] == "s)");
    let seconds: u64 = seconds
        .and_then(|pair| pair[0].parse().ok())
        .unwrap_or_else(|| panic!("how long? {text}"));
    assert!((15..=25).contains(&seconds), "{text}");
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let new = of(&cluster, &[0]).connect().await.expect("nobody else");
    let guard = new.try_lock(KEY).await.expect("one node").expect("free");
    guard.release().await.expect("released");
}

/// A client that connects lazily gets the error when it locks, and writes nothing.
#[tokio::test]
async fn f64_a_lazy_client_gets_the_error_when_it_locks() {
    let cluster = Cluster::start(4).await;
    let _old = of(&cluster, &[0, 1, 2])
        .connect()
        .await
        .expect("three nodes");
    for fencing in [true, false] {
        let new = of(&cluster, &[0, 1, 3])
            .fencing(fencing)
            .connect_lazy()
            .expect("a list");
        // A client that has met nodes 0 and 1 alone may have a lock on both: the other list has no majority without one of
        // them. On a busy machine it meets node 3 later.
        within(BOUND, async {
            while let Ok(guard) = new.try_lock(KEY).await {
                let guard = guard.expect("free");
                assert!(cluster.locked_on(KEY).await.starts_with(&[0, 1]));
                guard.release().await.expect("two nodes");
            }
        })
        .await;
        for _ in 0..3 {
            let error = new.try_lock(KEY).await.expect_err("two lists");
            assert!(error.is_no_quorum(), "{error}");
            let kinds = error.node_errors().iter().map(redlock::NodeError::kind);
            assert!(
                kinds.into_iter().any(|kind| kind == FaultKind::OtherNodes),
                "{error:?}"
            );
            assert!(cluster.locked_on(KEY).await.is_empty());
        }
    }
}

/// While the new node is away, the two nodes of both lists are enough: no other client has a majority without one of them.
#[tokio::test]
async fn f64_a_client_is_refused_once_it_has_met_the_node_that_others_lack() {
    let cluster = Cluster::start(4).await;
    let old = of(&cluster, &[0, 1, 2])
        .connect()
        .await
        .expect("three nodes");
    cluster.node(3).pause();
    let new = of(&cluster, &[0, 1, 3]).connect_lazy().expect("a list");
    let guard = within(BOUND, async {
        loop {
            if let Ok(guard) = new.lock(KEY).wait(SHORT).await {
                return guard;
            }
        }
    })
    .await;
    assert_eq!(cluster.locked_on(KEY).await, [0, 1]);
    assert!(matches!(old.try_lock(KEY).await, Ok(None)));
    guard.release().await.expect("two nodes");
    cluster.node(3).resume();
    within(BOUND, async {
        while new.try_lock(KEY).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let guard = old.lock(KEY).wait(BOUND).await.expect("three nodes");
    guard.release().await.expect("released");
}

/// A rolling deployment, with another nearest node for each client.
#[tokio::test]
async fn f64_a_rolling_deploy_has_no_two_holders() {
    let cluster = Cluster::start(4).await;
    let old = of(&cluster, &[0, 1, 2])
        .connect()
        .await
        .expect("three nodes");
    let new = of(&cluster, &[3, 1, 0]).connect_lazy().expect("a list");
    for round in 0..100 {
        let key = format!("{KEY}:{round}");
        let (one, other) = tokio::join!(old.try_lock(&key), new.try_lock(&key));
        assert!(!matches!(other, Ok(Some(_))), "{other:?}");
        let held = one.expect("three nodes").expect("nobody else");
        held.release().await.expect("released");
    }
}

/// Until when the key is held: until its holder has let go of it, or else until the holder's time is over, which a busy
/// machine may miss.
struct HeldUntil(Mutex<Instant>);

/// Somebody who holds the key, and who no longer does when this is dropped, as in a task that is aborted.
struct Holder<'a> {
    held: &'a HeldUntil,
    until: Instant,
}

impl HeldUntil {
    fn begin(&self, guard: &Guard) -> Holder<'_> {
        let now = Instant::now();
        let mut until = self.0.lock().expect("one holder after another");
        assert!(*until <= now, "two holders");
        *until = now + guard.remaining();
        Holder {
            held: self,
            until: *until,
        }
    }
}

impl Drop for Holder<'_> {
    fn drop(&mut self) {
        let mut until = self.held.0.lock().expect("one holder after another");
        // Unless the next one is there already.
        if *until == self.until {
            *until = Instant::now();
        }
    }
}

#[tokio::test]
async fn f64_a_node_is_added_and_another_removed_under_load() {
    let cluster = Cluster::start(4).await;
    let held = Arc::new(HeldUntil(Mutex::new(Instant::now())));
    let work = async |redlock: Redlock, held: Arc<HeldUntil>| {
        loop {
            if let Ok(guard) = redlock.lock(KEY).wait(SHORT).await {
                let holder = held.begin(&guard);
                tokio::task::yield_now().await;
                drop(holder);
                let _ = guard.release().await;
            }
        }
    };
    let mut before = Vec::new();
    for step in [&[0, 1, 2][..], &[0, 1, 2, 3], &[0, 1, 3]] {
        let redlock = as_soon_as_possible(&cluster, step).await;
        before.push(tokio::spawn(work(redlock, Arc::clone(&held))));
        // Two lists side by side, then the older one goes.
        tokio::time::sleep(SHORT).await;
        if before.len() > 1 {
            let old = before.remove(0);
            assert!(!old.is_finished(), "two holders");
            old.abort();
        }
    }
    assert!(
        before.iter().all(|working| !working.is_finished()),
        "two holders"
    );
}

/// The same nodes by other names and in another order are the same list.
#[tokio::test]
async fn f64_names_and_order_do_not_matter() {
    let cluster = Cluster::start(3).await;
    let proxies = Proxy::before_all(&cluster).await;
    let one = of(&cluster, &[0, 1, 2])
        .connect()
        .await
        .expect("three nodes");
    let two = Redlock::builder()
        .nodes(proxies.iter().rev().map(Proxy::url))
        .max_ttl(SHORT)
        .ttl(SHORT)
        .connect()
        .await
        .expect("the same nodes");
    let held = one.try_lock(KEY).await.expect("three nodes").expect("free");
    assert!(two.try_lock(KEY).await.expect("three nodes").is_none());
    drop(held);
    // Without a common namespace they share no locks, so their lists need not agree.
    of(&cluster, &[0])
        .namespace("other:")
        .connect()
        .await
        .expect("a node");
}

/// A node that restarts empty has lost its identity too, and is still the same node of the same list: for a client that
/// knew it, and for one that comes when no such client is left.
#[tokio::test]
async fn f64_an_empty_restart_does_not_count_as_another_list() {
    let cluster = Cluster::start(3).await;
    let first = of(&cluster, &[0, 1, 2])
        .connect()
        .await
        .expect("three nodes");
    drop(first);
    cluster.node(2).restart_empty().await;
    let second = of(&cluster, &[0, 1, 2])
        .connect()
        .await
        .expect("two of three at least");
    cluster.node(1).restart_empty().await;
    second
        .lock(KEY)
        .wait(BOUND)
        .await
        .expect("after the guard time")
        .release()
        .await
        .expect("released");
    let third = of(&cluster, &[0, 1, 2])
        .connect()
        .await
        .expect("two of three at least");
    third
        .lock(KEY)
        .wait(BOUND)
        .await
        .expect("after the guard time")
        .release()
        .await
        .expect("released");
}

/// Two nodes of three come back empty, and the third still knows them as they were: the error says for how long, and that is
/// correct.
#[tokio::test]
async fn f64_the_error_says_how_long_nodes_that_came_back_empty_do_not_count() {
    let cluster = Cluster::start(3).await;
    let old = of(&cluster, &[0, 1, 2])
        .connect()
        .await
        .expect("three nodes");
    drop(old);
    for node in [0, 1] {
        cluster.node(node).restart_empty().await;
    }
    let new = of(&cluster, &[0, 1, 2]).connect_lazy();
    let new = new.expect("a list");
    let error = new.try_lock(KEY).await.expect_err("no quorum");
    let text = error.to_string();
    assert!(text.contains("enough of them vote again in"), "{text}");
    assert!(text.contains("no vote for another"), "{text}");
    let left = error.retry_after().expect("known");
    // The guard time alone is two seconds.
    assert!((10..=35).contains(&left.as_secs()), "{text}");
    let guard = new.lock(KEY).wait(left + SLACK).await;
    let guard = guard.expect("they count");
    guard.release().await.expect("released");
}

/// A node restarts empty while a client is cut off from it. A new client, which knows the nodes by other names, reaches it first
/// and gives it a new identity. Once the older client has reached it too, the node knows both identities.
#[tokio::test]
async fn f64_a_new_identity_under_another_name_does_not_count_as_another_list() {
    let cluster = Cluster::start(3).await;
    let proxies = Proxy::before_all(&cluster).await;
    let direct = || of(&cluster, &[0, 1, 2]);
    let old = with(proxies.iter().map(Proxy::url))
        .connect()
        .await
        .expect("three nodes");
    proxies[2].refuse(true);
    proxies[2].cut();
    cluster.node(2).restart_empty().await;
    // No client knows yet that it is the node in the older client's list.
    let error = direct().connect().await.expect_err("another identity");
    assert_eq!(error.kind(), ErrorKind::InvalidNodes, "{error}");
    proxies[2].refuse(false);
    eventually(BOUND, async || {
        !matches!(old.health().await[2].state, NodeState::Down { .. })
    })
    .await;
    let new = direct().connect().await.expect("the same nodes");
    for redlock in [&old, &new] {
        let held = redlock.try_lock(KEY).await.expect("two of three");
        held.expect("free").release().await.expect("released");
    }
}

#[tokio::test]
async fn f64_nodes_in_memory_check_the_list() {
    let nodes = redlock::memory::Nodes::new(4);
    let of = |list: &[usize]| Redlock::builder().nodes(list.iter().map(|&node| nodes.node(node)));
    let old = of(&[0, 1, 2]).connect().await.expect("three nodes");
    let error = of(&[0, 1, 3]).connect().await.expect_err("two lists");
    assert_eq!(error.kind(), ErrorKind::InvalidNodes, "{error}");
    of(&[0, 1, 2, 3]).connect().await.expect("one more");
    let held = old.try_lock(KEY).await.expect("three nodes").expect("free");
    held.release().await.expect("released");
}

/// Clients that list the nodes in another order ask the same node first, so one of them always wins, although each has
/// another nearest node. In paused time, because they have the time of one attempt, whatever the machine does.
#[tokio::test(start_paused = true)]
async fn f69_the_order_of_the_list_does_not_matter() {
    let cluster = redlock::memory::Nodes::seeded(3, 1);
    let connect = async |nearest: usize| {
        let mut nodes = cluster.apart().nodes();
        for (at, node) in nodes.iter().enumerate() {
            let far = if at == nearest { 5 } else { 20 };
            node.delay(Duration::from_millis(far));
        }
        nodes.rotate_left(nearest);
        Redlock::connect(nodes).await.expect("three nodes")
    };
    let (one, two, three) = (connect(0).await, connect(1).await, connect(2).await);
    for round in 0..40 {
        let key = format!("{KEY}:{round}");
        let (one, two, three) =
            tokio::join!(one.try_lock(&key), two.try_lock(&key), three.try_lock(&key));
        let winners = [one, two, three]
            .into_iter()
            .filter(|tried| matches!(tried, Ok(Some(_))));
        assert_eq!(winners.count(), 1, "round {round}");
    }
}
