//! A client that is closing, and guards that end in odd places.

use std::{cell::RefCell, future::poll_fn, pin::Pin, task::Poll, thread, time::Duration};

use redlock::{Error, Guard, LockRequest, Redlock, memory::Nodes};
use tests::{
    Cluster, World, eventually,
    proxy::{Direction, Flow, Proxy},
    within,
};
use tokio::{runtime::Builder, task::JoinHandle};

use super::{MINUTE, SOON};

/// The last step of work that was in progress: its result is remembered.
#[tokio::test]
async fn a_holder_writes_its_register_while_the_client_closes() {
    let world = World::new().await;
    world.locks.trust_nodes().await.expect("three nodes");
    let guard = world.locks.lock("import").await.expect("free");
    assert_eq!(world.locks.close().await, 0);
    guard.write("page 1").await.expect("it holds the lock");
    let read = guard.read().await.expect("it holds the lock");
    assert_eq!(read.as_deref(), Some(&b"page 1"[..]));
    guard.extend().await.expect("it holds the lock");
    guard.release().await.expect("three nodes");
    let closed = world.locks.read("import").await.expect_err("closed");
    assert!(closed.is_closed(), "{closed}");
}

#[tokio::test]
async fn the_empty_value_is_a_value() {
    let world = World::new().await;
    world.locks.trust_nodes().await.expect("three nodes");
    let guard = world.locks.lock("import").await.expect("free");
    assert_eq!(guard.read().await.expect("three nodes"), None);
    guard.write("").await.expect("three nodes");
    assert_eq!(guard.read().await.expect("three nodes"), Some(Vec::new()));
    guard.write([0, 255, b'{']).await.expect("three nodes");
    let read = world.locks.read("import").await.expect("three nodes");
    assert_eq!(read.as_deref(), Some(&[0, 255, b'{'][..]));
}

thread_local! {
    static KEPT: RefCell<Option<Guard>> = const { RefCell::new(None) };
}

/// The destructor of a thread-local value runs when the runtime's own thread-local values may be gone.
#[test]
fn a_guard_in_a_thread_local_value_is_released_by_the_next_runtime() {
    let nodes = Nodes::new(3);
    let runtime = || {
        let mut runtime = Builder::new_current_thread();
        runtime.enable_all().build().expect("a runtime")
    };
    let redlock = Redlock::connect_lazy(nodes.nodes()).expect("three nodes");
    let of_thread = redlock.clone();
    let first = thread::spawn(move || {
        let guard = runtime().block_on(async { of_thread.lock("a").await });
        KEPT.with_borrow_mut(|kept| *kept = guard.ok());
    });
    first.join().expect("no panic in the destructor");
    let taken = runtime().block_on(async { redlock.lock("a").await });
    assert!(taken.is_ok(), "{taken:?}");
}

/// What waits for a lock of another client, with one more request for the same lock behind it.
type Wait = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

fn waits(redlock: &Redlock) -> Vec<(&'static str, Wait)> {
    let redlock = redlock.clone();
    let of = |name, wait| (name, wait);
    let lock = || redlock.lock("w").wait(Duration::MAX);
    let rw = || redlock.rwlock("w");
    let permit = || redlock.semaphore("w", 1);
    let (elections, all) = (redlock.clone(), redlock.clone());
    vec![
        of("lock", held(lock())),
        of("the second in the queue", held(lock())),
        of("reader", held(rw().read().wait(Duration::MAX))),
        of("second reader", held(rw().read().wait(Duration::MAX))),
        of("writer", held(rw().write().wait(Duration::MAX))),
        of("permit", held(permit().acquire().wait(Duration::MAX))),
        of(
            "second permit",
            held(permit().acquire().wait(Duration::MAX)),
        ),
        of(
            "newest",
            held(redlock.lock("n").newest_wins(true).wait(MINUTE)),
        ),
        of(
            "campaign",
            Box::pin(async move { elections.election("w").run(async |_| ()).await }),
        ),
        of(
            "several",
            Box::pin(async move { all.lock_all(["v", "w"]).wait(MINUTE).await.map(drop) }),
        ),
    ]
}

fn held(request: LockRequest) -> Wait {
    Box::pin(async move { request.await.map(drop) })
}

#[tokio::test]
async fn what_waits_for_a_lock_ends_when_its_client_is_closed() {
    let cluster = Cluster::start(3).await;
    let connect = || Redlock::connect(cluster.urls());
    let (holder, closed) = (connect().await, connect().await);
    let (holder, closed) = (holder.expect("up"), closed.expect("up"));
    let lock = holder.lock("w").ttl(MINUTE).await.expect("free");
    let newest = holder.lock("n").ttl(MINUTE).await.expect("free");
    let writer = holder.rwlock("w").write().ttl(MINUTE).await.expect("free");
    let permit = holder
        .semaphore("w", 1)
        .acquire()
        .ttl(MINUTE)
        .await
        .expect("free");
    let job = closed.job("daily", 365 * MINUTE).spawn(async |_, _| ());
    let waits = waits(&closed).into_iter();
    let waits: Vec<_> = waits
        .map(|(name, wait)| (name, tokio::spawn(wait)))
        .collect();
    let waitlists = async || {
        cluster
            .node(0)
            .keys()
            .await
            .iter()
            .filter(|key| key.ends_with("waiters"))
            .count()
    };
    eventually(SOON, async || waitlists().await == 5).await;
    let still_waits = |(_, wait): &(&str, JoinHandle<_>)| !wait.is_finished();
    assert!(waits.iter().all(still_waits) && !job.is_finished());

    within(SOON, closed.close()).await;
    for (name, wait) in waits {
        let ended = within(SOON, wait).await.expect("no panic");
        assert!(
            ended.as_ref().is_err_and(Error::is_closed),
            "{name}: {ended:?}"
        );
    }
    eventually(SOON, async || job.is_finished()).await;
    // Nothing is left on the nodes that another client would wait for.
    drop((lock, newest, writer, permit));
    eventually(SOON, async || waitlists().await == 0).await;
}

/// A process whose last act is to close its client, while it has some of the locks that it requests together.
#[test]
fn locks_of_a_request_for_several_are_released_when_the_client_is_closed() {
    let runtime = |threads: &mut Builder| threads.enable_all().build().expect("a runtime");
    let servers = runtime(&mut Builder::new_multi_thread());
    let cluster = servers.block_on(Cluster::start(3));
    let others = servers.block_on(Redlock::connect(cluster.urls()));
    let others = others.expect("three nodes");
    let held = servers.block_on(others.lock("w").ttl(MINUTE).into_future());
    let _held = held.expect("it is free");

    let ended = runtime(&mut Builder::new_current_thread());
    ended.block_on(async {
        // Closing takes at most two of these.
        let patient = Redlock::builder()
            .nodes(cluster.urls())
            .node_timeout(SOON / 4);
        let redlock = patient.connect().await.expect("three nodes");
        let both = redlock.lock_all(["v", "w"]).ttl(MINUTE).wait(MINUTE);
        tokio::spawn(both.into_future());
        eventually(SOON, async || cluster.locked_on("v").await.len() == 3).await;
        assert_eq!(redlock.close().await, 0);
    });
    drop(ended);
    assert!(servers.block_on(cluster.locked_on("v")).is_empty());
}

/// A process whose last act is to close its client, while a request of it is on its way.
#[test]
fn a_lock_that_is_granted_while_the_client_closes_is_released() {
    let runtime = |threads: &mut Builder| threads.enable_all().build().expect("a runtime");
    let servers = runtime(&mut Builder::new_multi_thread());
    let cluster = servers.block_on(Cluster::start(3));
    let proxies = servers.block_on(Proxy::before_all(&cluster));

    let ended = runtime(&mut Builder::new_current_thread());
    ended.block_on(async {
        // Closing takes at most two of these.
        let patient = Redlock::builder().node_timeout(SOON / 4);
        let patient = patient.nodes(proxies.iter().map(Proxy::url));
        let redlock = patient.connect().await.expect("three nodes");
        for proxy in &proxies {
            proxy.set(Direction::ToClient, Flow::Hold);
        }
        let request = redlock.lock("v").ttl(MINUTE).wait(MINUTE);
        tokio::spawn(async move { drop(request.await) });
        eventually(SOON, async || cluster.locked_on("v").await.len() == 3).await;
        let closing = tokio::spawn(async move { redlock.close().await });
        tokio::task::yield_now().await;
        for proxy in &proxies {
            proxy.set(Direction::ToClient, Flow::PASS);
        }
        assert_eq!(within(SOON, closing).await.expect("no panic"), 0);
    });
    drop(ended);
    assert!(servers.block_on(cluster.locked_on("v")).is_empty());
}

/// The next holder asked the nodes behind the release, since it wants another ttl: nothing is on its way any more.
#[tokio::test]
async fn a_release_that_a_waiter_followed_is_not_counted_as_missing() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("up");
    let first = redlock.lock("w").ttl(MINUTE).await.expect("free");
    let mut second = redlock.lock("w").ttl(MINUTE / 2).into_future();
    let is_waiting = poll_fn(|cx| Poll::Ready(Pin::new(&mut second).poll(cx).is_pending()));
    assert!(is_waiting.await);
    drop(first);
    let second = within(SOON, second).await.expect("its turn");
    assert_eq!(within(SOON, redlock.close()).await, 0);
    second.release().await.expect("three nodes");
}

/// The nodes have answered the release of a lock that was lost, whether or not its guard is still there.
#[tokio::test]
async fn the_release_of_a_lost_lock_is_not_counted_while_its_guard_is_kept() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("up");
    let guard = redlock.lock("l").ttl(MINUTE).await.expect("free");
    for node in 0..3 {
        let () = cluster.node(node).ask(redis::cmd("DEL").arg("l")).await;
    }
    let error = guard.extend().await.expect_err("gone");
    assert!(error.is_lost(), "{error}");
    assert_eq!(within(SOON, redlock.close()).await, 0);
    assert!(guard.release().await.expect_err("lost").is_lost());
}

/// The turn that the release has given to a waiter which is never polled again.
#[tokio::test]
async fn a_release_is_not_counted_because_nobody_polls_the_waiter_behind_it() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("up");
    let first = redlock.lock("w").ttl(MINUTE).await.expect("free");
    let mut second = redlock.lock("w").ttl(MINUTE / 2).into_future();
    let is_waiting = poll_fn(|cx| Poll::Ready(Pin::new(&mut second).poll(cx).is_pending()));
    assert!(is_waiting.await);
    drop(first);
    assert_eq!(within(SOON, redlock.close()).await, 0);
    assert!(cluster.locked_on("w").await.is_empty());
    drop(second);
}
