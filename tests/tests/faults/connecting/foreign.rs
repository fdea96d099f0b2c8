//! F36: what others store under a key affects only requests for that key, however long it is.

use std::time::Duration;

use redlock::{FaultKind, Redlock};
use tests::proxy::Proxy;
use tests::{Cluster, within};

const LONG: Duration = Duration::from_secs(30);
const BOUND: Duration = Duration::from_secs(60);
const KEY: &str = "report";
const MANY: usize = 2_000_000;

struct World {
    cluster: Cluster,
    proxies: Vec<Proxy>,
    redlock: Redlock,
}

impl World {
    async fn start(fencing: bool) -> Self {
        let cluster = Cluster::start(3).await;
        let proxies = Proxy::before_all(&cluster).await;
        let redlock = Redlock::builder()
            .nodes(proxies.iter().map(Proxy::url))
            .node_timeout(Duration::from_secs(2))
            .fencing(fencing)
            .connect()
            .await
            .expect("three nodes");
        Self {
            cluster,
            proxies,
            redlock,
        }
    }

    /// Stores `value` under `key` on every node.
    async fn store(&self, key: &str, value: &[u8], ttl: Option<Duration>) {
        for node in self.cluster.nodes() {
            let mut set = redis::cmd("SET");
            set.arg(key).arg(value);
            if let Some(ttl) = ttl {
                set.arg("PX").arg(ttl.as_millis() as u64);
            }
            let () = node.ask(&set).await;
        }
    }

    /// Other keys work while `ask` is in progress, on the same connections.
    async fn beside(&self, ask: impl Future<Output = ()>) {
        let accepted: usize = self.proxies.iter().map(Proxy::accepted).sum();
        let others = futures_util::future::join_all((0..400).map(async |n| {
            let guard = self
                .redlock
                .lock(format!("other:{n}"))
                .ttl(LONG)
                .no_wait()
                .await;
            guard
                .expect("another key")
                .release()
                .await
                .expect("released");
        }));
        let ((), _) = within(BOUND, async { tokio::join!(ask, others) }).await;
        let now: usize = self.proxies.iter().map(Proxy::accepted).sum();
        assert_eq!(now, accepted, "connections were torn down");
    }
}

#[tokio::test]
async fn f36_a_long_string_under_the_key_counts_as_another_holder() {
    for fencing in [true, false] {
        let world = World::start(fencing).await;
        world.store(KEY, &vec![b'x'; MANY], Some(LONG)).await;
        world
            .beside(async {
                for _ in 0..5 {
                    let guard = world.redlock.try_lock(KEY).await.expect("an answer");
                    assert!(guard.is_none(), "fencing {fencing}");
                    let error = world
                        .redlock
                        .lock(KEY)
                        .wait(Duration::from_millis(50))
                        .await;
                    assert!(error.expect_err("held").is_timed_out());
                    let holder = world.redlock.holder(KEY).await.expect("an answer");
                    let holder = holder.expect("somebody");
                    assert!(holder.owner.len() <= 64, "{} bytes", holder.owner.len());
                    assert!(!holder.remaining.is_zero());
                    assert!(world.redlock.is_locked(KEY).await.expect("an answer"));
                }
            })
            .await;
        world.redlock.force_release(KEY).await.expect("an answer");
        assert!(
            world
                .redlock
                .try_lock(KEY)
                .await
                .expect("an answer")
                .is_some()
        );
    }
}

/// The fence of a key that is free, and of one that is held.
#[tokio::test]
async fn f36_a_long_string_under_the_key_of_the_fence() {
    let world = World::start(true).await;
    let held = world.redlock.lock("held").ttl(LONG).await.expect("free");
    let companion = |key: &str, keys: Vec<String>| {
        let fence = keys
            .into_iter()
            .find(|name| name.contains(key) && name.contains("fence"));
        fence.expect("a fence")
    };
    let keys = world.cluster.node(0).keys().await;
    let (of_held, of_free) = {
        let guard = world.redlock.lock("free").ttl(LONG).await.expect("free");
        guard.release().await.expect("released");
        let keys_after = world.cluster.node(0).keys().await;
        (companion("held", keys), companion("free", keys_after))
    };
    for fence in [&of_held, &of_free] {
        world.store(fence, &vec![b'7'; MANY], None).await;
    }
    world
        .beside(async {
            let error = world.redlock.try_lock("free").await.expect_err("no fence");
            assert_eq!(
                error.node_errors()[0].kind(),
                FaultKind::BadFence,
                "{error}"
            );
            assert!(format!("{error} {error:?}").len() < 5_000);
            assert!(
                world
                    .redlock
                    .try_lock("held")
                    .await
                    .expect("held")
                    .is_none()
            );
            let error = held.extend().await;
            assert!(format!("{error:?}").len() < 5_000);
            assert!(
                world
                    .redlock
                    .holder("held")
                    .await
                    .expect("an answer")
                    .is_some()
            );
        })
        .await;
}

/// A message of another client on the channels of this one.
#[tokio::test]
async fn f36_a_long_message_is_ignored() {
    let world = World::start(true).await;
    let mut listening = 0;
    for node in world.cluster.nodes() {
        let channels: Vec<String> = node.ask(redis::cmd("PUBSUB").arg("CHANNELS")).await;
        for channel in channels {
            let mut publish = redis::cmd("PUBLISH");
            publish.arg(channel).arg(vec![b'x'; MANY]);
            let heard: usize = node.ask(&publish).await;
            listening += heard;
        }
    }
    assert_eq!(listening, 3);
    world.beside(async {}).await;
}

#[tokio::test]
async fn f36_a_fence_that_no_token_can_be_is_not_shown_as_one() {
    let world = World::start(true).await;
    world.store(KEY, b"theirs", Some(LONG)).await;
    for (fence, token) in [("41", 41), ("9999999999999999", 0), ("many", 0)] {
        let name = format!("{{{KEY}}}{{}}:fence");
        world.store(&name, fence.as_bytes(), None).await;
        let holder = world.redlock.holder(KEY).await.expect("a quorum");
        assert_eq!(holder.expect("held").token.get(), token, "{fence}");
    }
}
