//! A3, A4, A9: even and odd numbers of nodes, split votes, one attempt.

use std::time::Duration;

use futures_util::future::{join_all, select_all};
use redlock::{ErrorKind, Redlock};
use tests::proxy::{Direction, Flow, Proxy};
use tests::{Cluster, Logs, eventually, within};
use tokio::time::Instant;
use tracing::level_filters::LevelFilter;

use crate::support::{
    BOUND, KEY, LONG, SOON, connect, evals, held_by_another, percentile, through,
};

#[tokio::test]
async fn a3_one_two_and_four_nodes() {
    for n in [1, 2, 4] {
        let cluster = Cluster::start(n).await;
        let (a, b) = (connect(&cluster).await, connect(&cluster).await);
        assert_eq!(a.quorum(), n / 2 + 1);
        for _ in 0..3 {
            let guard = a.lock(KEY).ttl(LONG).no_wait().await.expect("free");
            assert!(b.try_lock(KEY).await.expect("an answer").is_none());
            guard.release().await.expect("released");
            eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
            let guard = b.try_lock(KEY).await.expect("an answer").expect("free");
            guard.release().await.expect("released");
            eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
        }
    }
}

#[tokio::test]
async fn a3_votes_split_in_halves() {
    for n in [2, 4] {
        let cluster = Cluster::start(n).await;
        let redlock = connect(&cluster).await;
        for node in &cluster.nodes()[..n / 2] {
            held_by_another(node, KEY).await;
        }
        let half: Vec<usize> = (0..n / 2).collect();
        for _ in 0..3 {
            let error = within(SOON, redlock.lock(KEY).ttl(LONG).no_wait())
                .await
                .expect_err("half of the votes");
            assert!(error.is_busy(), "{error}");
            eventually(SOON, async || cluster.locked_on(KEY).await == half).await;
        }
        // The other half is silent, so only time can decide the vote.
        for node in &cluster.nodes()[n / 2..] {
            node.pause();
        }
        let error = within(SOON, redlock.lock(KEY).ttl(LONG).no_wait())
            .await
            .expect_err("no vote for us");
        assert!(error.is_busy() || error.is_no_quorum(), "{error}");
        for node in &cluster.nodes()[n / 2..] {
            node.resume();
        }
        eventually(SOON, async || cluster.locked_on(KEY).await == half).await;
    }
}

/// Two clients at the same time on an even number of nodes: at most one gets the lock, and every attempt ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a3_every_attempt_is_decided_when_clients_collide() {
    for n in [2, 4] {
        let cluster = Cluster::start(n).await;
        let clients = [connect(&cluster).await, connect(&cluster).await];
        for _ in 0..100 {
            let tries = join_all(clients.iter().map(|client| client.try_lock(KEY)));
            let held: Vec<_> = within(SOON, tries)
                .await
                .into_iter()
                .filter_map(|held| held.expect("an answer"))
                .collect();
            assert!(held.len() <= 1);
            for guard in held {
                guard.release().await.expect("released");
            }
        }
        let a_turn = clients[0]
            .lock(KEY)
            .ttl(LONG)
            .wait(SOON)
            .await
            .expect("nothing is left in the way");
        a_turn.release().await.expect("released");
    }
}

#[tokio::test]
async fn a3_no_nodes_are_refused_and_an_even_number_warns() {
    let error = Redlock::connect(Vec::<String>::new())
        .await
        .expect_err("no nodes");
    assert_eq!(error.kind(), ErrorKind::InvalidNodes);

    for (n, warns) in [(1, false), (2, true), (3, false), (4, true)] {
        let cluster = Cluster::start(n).await;
        let logs = Logs::capture(LevelFilter::WARN);
        let _redlock = connect(&cluster).await;
        let even = logs.lines_with("even");
        assert_eq!(!even.is_empty(), warns, "{n} nodes:\n{}", logs.text());
    }
}

/// Each of three clients has won one node of three: for each of them, the others report a holder.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a4_three_clients_have_each_won_one_node() {
    let cluster = Cluster::start(3).await;
    let mut clients = Vec::new();
    for own in 0..3 {
        let proxies = Proxy::before_all(&cluster).await;
        let client = through(&proxies).connect().await.expect("all up");
        for (node, proxy) in proxies.iter().enumerate() {
            if node != own {
                proxy.set(Direction::ToServer, Flow::Hold);
            }
        }
        clients.push((client, proxies));
    }
    let start = Instant::now();
    let waiting: Vec<_> = clients
        .iter()
        .map(|(client, _)| {
            let client = client.clone();
            Box::pin(async move { client.lock(KEY).ttl(LONG).wait(LONG).await })
        })
        .map(tokio::spawn)
        .collect();
    eventually(SOON, async || {
        let owners = join_all(cluster.nodes().iter().map(|node| node.get(KEY))).await;
        owners.iter().all(Option::is_some)
            && owners[0] != owners[1]
            && owners[1] != owners[2]
            && owners[0] != owners[2]
    })
    .await;
    for (_, proxies) in &clients {
        for proxy in proxies {
            proxy.set(Direction::ToServer, Flow::PASS);
        }
    }
    let (first, _, rest) = within(BOUND, select_all(waiting)).await;
    let first = first.expect("no panic").expect("one of them holds");
    assert!(
        start.elapsed() < LONG / 4,
        "the first grant took {:?}",
        start.elapsed()
    );
    first.release().await.expect("released");
    // The others get it after that, and their own leftovers block none of them.
    let (second, _, rest) = within(BOUND, select_all(rest)).await;
    second
        .expect("no panic")
        .expect("the second holds")
        .release()
        .await
        .expect("released");
    let (third, ..) = within(BOUND, select_all(rest)).await;
    third
        .expect("no panic")
        .expect("the third holds")
        .release()
        .await
        .expect("released");
    assert!(
        start.elapsed() < LONG / 2,
        "three grants took {:?}",
        start.elapsed()
    );
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
}

#[tokio::test]
async fn a9_a_try_is_one_round_and_never_sleeps() {
    const TRIES: usize = 50;
    let cluster = Cluster::start(3).await;
    let (holder, other) = (connect(&cluster).await, connect(&cluster).await);
    let mut free = Vec::new();
    for _ in 0..TRIES {
        let start = Instant::now();
        let guard = other.try_lock(KEY).await.expect("an answer").expect("free");
        guard.release().await.expect("released");
        free.push(start.elapsed());
    }
    let _guard = holder.lock(KEY).ttl(LONG).no_wait().await.expect("free");
    let before = join_all(cluster.nodes().iter().map(evals)).await;
    let mut busy = Vec::new();
    for i in 0..TRIES {
        let start = Instant::now();
        if i % 2 == 0 {
            assert!(other.try_lock(KEY).await.expect("an answer").is_none());
        } else {
            assert!(other.lock(KEY).no_wait().await.expect_err("held").is_busy());
        }
        busy.push(start.elapsed());
    }
    let after = join_all(cluster.nodes().iter().map(evals)).await;
    for (before, after) in before.iter().zip(&after) {
        let most = 3 * u64::try_from(TRIES).expect("a few");
        assert!(
            after - before <= most,
            "{} calls for {TRIES} tries",
            after - before
        );
    }
    free.sort();
    busy.sort();
    // A refused attempt is one round trip; an acquire and a release are two.
    let (busy, free) = (percentile(&busy, 50), percentile(&free, 50));
    assert!(
        busy < free * 2,
        "a refused try takes {busy:?}, acquiring and releasing {free:?}"
    );
}

/// The same if votes cannot decide it: a silent node and a split.
#[tokio::test]
async fn a9_a_try_ends_at_the_node_time_out() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    held_by_another(cluster.node(0), KEY).await;
    cluster.node(1).pause();
    let start = Instant::now();
    match within(SOON, redlock.try_lock(KEY)).await {
        Ok(held) => assert!(held.is_none(), "one vote of three"),
        Err(error) => assert!(error.is_no_quorum(), "{error}"),
    }
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    cluster.node(1).resume();
    eventually(SOON, async || cluster.locked_on(KEY).await == [0]).await;
}

/// Split between others that keep their nodes: further attempts find the same, and all of them have the time of one round.
#[tokio::test]
async fn a9_a_try_with_split_votes_ends_at_the_node_time_out() {
    const TIME_OUT: Duration = Duration::from_millis(600);
    let cluster = Cluster::start(3).await;
    let proxies = Proxy::before_all(&cluster).await;
    let redlock = through(&proxies).node_timeout(TIME_OUT).connect();
    let redlock = redlock.await.expect("three nodes");
    for (node, owner) in cluster.nodes().iter().zip(["one", "another"]) {
        let mut set = redis::cmd("SET");
        let () = node
            .ask(set.arg(KEY).arg(owner).arg("PX").arg(60_000))
            .await;
    }
    for proxy in &proxies {
        proxy.set_both(Flow::delay(Duration::from_millis(50)));
    }
    let start = Instant::now();
    let tried = within(SOON, redlock.try_lock(KEY)).await;
    let took = start.elapsed();
    assert!(tried.expect("two nodes are held").is_none());
    // Some margin for a busy machine.
    assert!(took < TIME_OUT + TIME_OUT / 2, "{took:?}");
    eventually(SOON, async || cluster.locked_on(KEY).await == [0, 1]).await;
}

/// One node is down, one hangs, and the votes of the other three split: one of the clients that try at the same moment gets
/// the lock.
#[tokio::test]
async fn a9_one_of_several_simultaneous_tries_wins_while_a_node_hangs() {
    let cluster = Cluster::start(5).await;
    let clients = join_all((0..4).map(|_| connect(&cluster))).await;
    cluster.node(0).kill();
    for round in 0..3 {
        cluster.node(1).pause();
        let key = format!("turn:{round}");
        let tries = join_all(clients.iter().map(|client| client.try_lock(&key))).await;
        let tries: Vec<_> = tries
            .into_iter()
            .map(|tried| tried.expect("an answer"))
            .collect();
        assert_eq!(tries.iter().flatten().count(), 1, "{tries:?}");
        cluster.node(1).resume();
        eventually(SOON, async || {
            let health = join_all(clients.iter().map(Redlock::health)).await;
            health.iter().all(|nodes| nodes[1].latency.is_some())
        })
        .await;
    }
}
