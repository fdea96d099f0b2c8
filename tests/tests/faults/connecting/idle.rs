//! F1: connections that end while they are idle. The nodes are healthy all the time, so no request should notice.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use axum::{Router, body::Body, http::Request, routing::post};
use redlock::{Redlock, redlock};
use redlock_tower::{RedlockLayer, key};
use tests::proxy::{Direction, Flow, Proxy};
use tests::{Cluster, eventually, within};
use tower::ServiceExt as _;

const LONG: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_secs(10);
const KEY: &str = "nightly-report";
/// Far above a round trip here, so that only a reply that never comes is late. A connection counts as silent after half of
/// it.
const NODE_TIMEOUT: Duration = Duration::from_secs(1);

/// Three nodes, each behind a proxy, and a client whose connections are warm.
struct World {
    cluster: Cluster,
    proxies: Vec<Proxy>,
    redlock: Redlock,
}

/// What happens to the connections of a client.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// Like a NAT: nothing that is sent arrives, and neither side is notified.
    Silent,
    Reset,
    Killed,
}

const LOSSES: [Loss; 3] = [Loss::Silent, Loss::Reset, Loss::Killed];

impl World {
    async fn start() -> Self {
        Self::with(true).await
    }

    async fn with(fencing: bool) -> Self {
        let cluster = Cluster::start(3).await;
        let proxies = Proxy::before_all(&cluster).await;
        let redlock = Redlock::builder()
            .nodes(proxies.iter().map(Proxy::url))
            .node_timeout(NODE_TIMEOUT)
            .fencing(fencing)
            .connect()
            .await
            .expect("three nodes");
        let guard = redlock.lock("warm-up").ttl(LONG).await.expect("free");
        guard.release().await.expect("released");
        Self {
            cluster,
            proxies,
            redlock,
        }
    }

    /// Cuts all connections, and leaves the client no time to notice.
    async fn lose(&self, loss: Loss) {
        match loss {
            Loss::Silent => self
                .proxies
                .iter()
                .for_each(|proxy| proxy.set_established(Flow::Lose)),
            Loss::Reset => self.proxies.iter().for_each(Proxy::cut),
            Loss::Killed => {
                for node in self.cluster.nodes() {
                    let mut client = node.client().await;
                    let mut pipe = redis::pipe();
                    for kind in ["normal", "pubsub"] {
                        pipe.cmd("CLIENT")
                            .arg(&["KILL", "TYPE", kind, "SKIPME", "yes"]);
                    }
                    let _: Vec<redis::Value> = pipe.query_async(&mut client).await.expect("killed");
                }
            }
        }
    }

    async fn all_free(&self) {
        eventually(SOON, async || self.cluster.locked_on(KEY).await.is_empty()).await;
    }
}

#[tokio::test]
async fn f1_a_single_try_after_the_connections_were_lost() {
    for loss in LOSSES {
        let world = World::start().await;
        for _ in 0..3 {
            world.lose(loss).await;
            let guard = world.redlock.try_lock(KEY).await;
            let guard = guard.unwrap_or_else(|error| panic!("{loss:?}: {error}"));
            let guard = guard.unwrap_or_else(|| panic!("{loss:?}: held by its own leftover"));
            world.lose(loss).await;
            guard.extend().await.expect("the extension finds its way");
            world.lose(loss).await;
            guard.release().await.expect("so does the release");
            world.all_free().await;
        }
    }
}

#[tokio::test]
async fn f1_a_single_try_without_fencing_tokens() {
    for loss in LOSSES {
        let world = World::with(false).await;
        for _ in 0..3 {
            world.lose(loss).await;
            let guard = world.redlock.try_lock(KEY).await;
            let guard = guard.unwrap_or_else(|error| panic!("{loss:?}: {error}"));
            drop(guard.unwrap_or_else(|| panic!("{loss:?}: held by its own leftover")));
            world.all_free().await;
        }
    }
}

/// The node carried out the acquire, and the reply was lost with the connection.
#[tokio::test]
async fn f1_an_acquire_whose_reply_was_lost_does_not_block_its_own_retry() {
    for fencing in [true, false] {
        let world = World::with(fencing).await;
        for proxy in &world.proxies {
            proxy.set(Direction::ToClient, Flow::Hold);
        }
        let one_look = tokio::spawn({
            let redlock = world.redlock.clone();
            async move { redlock.lock(KEY).ttl(LONG).no_wait().await }
        });
        eventually(SOON, async || world.cluster.locked_on(KEY).await.len() == 3).await;
        world.lose(Loss::Reset).await;
        for proxy in &world.proxies {
            proxy.set(Direction::ToClient, Flow::PASS);
        }
        let guard = within(SOON, one_look).await.expect("no panic");
        let guard = guard.unwrap_or_else(|error| panic!("fencing {fencing}: {error}"));
        guard.release().await.expect("released");
        world.all_free().await;
    }
}

/// Commands on the lost connection arrive after all commands on the next one.
#[tokio::test]
async fn f1_a_request_that_arrives_late_on_a_lost_connection_leaves_no_key() {
    let world = World::start().await;
    for proxy in &world.proxies {
        proxy.set_established(Flow::Hold);
    }
    let guard = world.redlock.try_lock(KEY).await.expect("a quorum");
    guard.expect("free").release().await.expect("released");
    world.all_free().await;
    for proxy in &world.proxies {
        assert!(proxy.held(Direction::ToServer) > 0, "asked on the old one");
        proxy.set_established(Flow::PASS);
    }
    eventually(SOON, async || {
        let held = world
            .proxies
            .iter()
            .map(|proxy| proxy.held(Direction::ToServer));
        held.sum::<usize>() == 0
    })
    .await;
    world.all_free().await;
}

/// The nodes carried out the forced release, the replies were lost, and meanwhile another client has acquired the lock:
/// the repeated command must not take the lock from it.
#[tokio::test]
async fn f1_a_repeated_force_release_spares_a_later_holder() {
    let world = World::start().await;
    let direct = Redlock::connect(world.cluster.urls()).await.expect("nodes");
    let holder = direct.lock(KEY).ttl(LONG).await.expect("free");
    let token = holder.token();
    for proxy in &world.proxies {
        proxy.set(Direction::ToClient, Flow::delay(Duration::from_millis(300)));
    }
    let operator = tokio::spawn({
        let redlock = world.redlock.clone();
        async move { redlock.force_release(KEY).await }
    });
    eventually(SOON, async || world.cluster.locked_on(KEY).await.is_empty()).await;
    let next = direct.lock(KEY).ttl(LONG).await.expect("free again");
    assert!(next.token() > token);
    world.lose(Loss::Reset).await;
    for proxy in &world.proxies {
        proxy.set(Direction::ToClient, Flow::PASS);
    }
    let taken = within(SOON, operator).await.expect("no panic");
    taken.expect("asked again");
    assert_eq!(
        world.cluster.locked_on(KEY).await.len(),
        3,
        "taken from the next"
    );
    next.extend().await.expect("still held");
    drop(holder);
    next.release().await.expect("released");
    world.all_free().await;
}

#[tokio::test]
async fn f1_inspection_run_and_locks_of_several_keys() {
    for loss in LOSSES {
        let world = World::start().await;
        let redlock = &world.redlock;
        world.lose(loss).await;
        for node in redlock.health().await {
            assert!(node.latency.is_some(), "{loss:?}: {node:?}");
        }
        world.lose(loss).await;
        assert!(redlock.holder(KEY).await.expect("a quorum").is_none());
        world.lose(loss).await;
        assert!(!redlock.is_locked(KEY).await.expect("a quorum"));
        world.lose(loss).await;
        let ran = redlock.lock(KEY).no_wait().run(async |_| 7).await;
        assert_eq!(ran.expect("a quorum"), 7);
        world.lose(loss).await;
        let all = redlock
            .lock_all([KEY, "another"])
            .wait(Duration::ZERO)
            .await;
        let all = all.unwrap_or_else(|error| panic!("{loss:?}: {error}"));
        world.lose(loss).await;
        all.release().await.expect("released");
        world.lose(loss).await;
        redlock.force_release(KEY).await.expect("a quorum");
        world.all_free().await;
    }
}

#[tokio::test]
async fn f1_a_request_that_does_not_wait() {
    for loss in LOSSES {
        let world = World::start().await;
        let layer = RedlockLayer::new(world.redlock.clone(), key::header("x-user-id")).no_wait();
        let app: Router = Router::new().route("/orders", post(async || "ordered").layer(layer));
        for _ in 0..3 {
            world.lose(loss).await;
            let request = Request::post("/orders").header("x-user-id", "ann");
            let request = request.body(Body::empty()).expect("a request");
            let response = app.clone().oneshot(request).await.expect("an answer");
            assert_eq!(response.status(), 200, "{loss:?}");
        }
    }
}

static RUNS: AtomicUsize = AtomicUsize::new(0);

#[redlock(key = "nightly-report", ttl = "10s", on_busy = skip, fire = night, lock = locks)]
async fn nightly(locks: &Redlock, night: u64) -> Result<Option<()>, redlock::Error> {
    RUNS.fetch_add(1, SeqCst);
    Ok(Some(()))
}

#[tokio::test]
async fn f1_a_job_that_skips_if_busy_runs_once_over_its_replicas() {
    let mut night = 0;
    for loss in LOSSES {
        let world = World::start().await;
        for _ in 0..3 {
            night += 1;
            world.lose(loss).await;
            let before = RUNS.load(SeqCst);
            let ran = nightly(&world.redlock, night).await.expect("a quorum");
            assert!(ran.is_some(), "{loss:?}: skipped by its only replica");
            assert_eq!(RUNS.load(SeqCst) - before, 1);
        }
    }
}

/// One connection after the other is lost, and the requests with it: a command that is sent again is lost again.
#[tokio::test]
async fn f1_the_loss_of_a_few_connections_is_not_an_outage() {
    let world = World::start().await;
    for round in 0..9 {
        world.proxies[round % 3].cut();
        world.proxies[(round + 1) % 3].set_established(Flow::Lose);
        let guard = world.redlock.try_lock(KEY).await.expect("a quorum");
        guard.expect("free").release().await.expect("released");
        world.all_free().await;
    }
}

/// While there are no requests: idle connections are probed, and a dead one is replaced.
#[tokio::test]
async fn f1_a_dead_connection_is_replaced_before_it_is_needed() {
    let world = World::start().await;
    let accepted = || world.proxies.iter().map(Proxy::accepted).sum::<usize>();
    let pings = async || {
        let mut pings = 0;
        for node in world.cluster.nodes() {
            pings += node.calls(&["ping", "eval"]).await;
        }
        pings
    };
    let (at_first, open) = (pings().await, accepted());
    idle().await;
    eventually(SOON, async || pings().await >= at_first + 3).await;
    assert_eq!(accepted(), open, "the connections are the same");

    world.lose(Loss::Silent).await;
    idle().await;
    eventually(SOON, async || accepted() >= open + 3).await;
    // Half a node time-out passed meanwhile, and not within the call.
    let start = tokio::time::Instant::now();
    let guard = world.redlock.try_lock(KEY).await.expect("a quorum");
    assert!(start.elapsed() < NODE_TIMEOUT / 2, "{:?}", start.elapsed());
    guard.expect("free").release().await.expect("released");
}

/// Lets half a minute pass on the clock of the client.
async fn idle() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
}
