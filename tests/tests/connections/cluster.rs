//! A Redis Cluster as one node: its shards fail, hang, forget and take over one by one, and only their own keys notice.

use std::time::Duration;

use futures_util::future::join_all;
use redlock::{Builder, ErrorKind, FaultKind, NodeState, Redlock, RestartGuard};
use tests::{Cluster, Node, eventually, within};
use tokio::time::Instant;

use crate::authority::Authority;
use crate::support::{
    BOUND, KEY, LONG, SOON, assert_blames, blamed, contention, cycle, lacks, patient,
};

const MAX_TTL: Duration = Duration::from_secs(2);
const SKEW: Duration = Duration::from_millis(500);
/// `max_ttl` and 1 % and the skew.
const GUARD_TIME: Duration = Duration::from_millis(2520);

/// The first and the last slot of each of three shards.
const SLOTS: [(u16, u16); 3] = [(0, 5460), (5461, 10922), (10923, 16383)];

/// A key of each shard.
const OF_SHARD: [&str; 3] = ["bar", "qux", "foo"];

/// Three shards, and as many replicas of each.
struct Sharded {
    servers: Cluster,
}

impl Sharded {
    async fn start(replicas: usize) -> Option<Self> {
        Self::with(replicas, None).await
    }

    async fn with(replicas: usize, password: Option<&str>) -> Option<Self> {
        let mut builder = Cluster::builder(3 + 3 * replicas);
        if let Some(password) = password {
            builder = builder.password(password).arg(["--masterauth", password]);
        }
        Self::of(builder, replicas, "").await
    }

    /// The nodes of `builder` as a cluster; they meet each other on a port of theirs.
    async fn of(builder: tests::cluster::Builder, replicas: usize, tls: &str) -> Option<Self> {
        let builder = builder
            .port_for("--cluster-port")
            .arg(["--cluster-enabled", "yes"])
            .arg(["--cluster-require-full-coverage", "no"])
            .arg(["--repl-diskless-sync-delay", "0"])
            // Without replicas a hanging shard is to stay what it is.
            .arg([
                "--cluster-node-timeout",
                if replicas == 0 { "15000" } else { "1000" },
            ]);
        if lacks(&builder).await {
            return None;
        }
        let servers = builder.start().await;
        for (index, node) in servers.nodes().iter().enumerate() {
            tell(node, &["SET-CONFIG-EPOCH", &(index + 1).to_string()]).await;
            if let Some((first, last)) = SLOTS.get(index) {
                tell(
                    node,
                    &["ADDSLOTSRANGE", &first.to_string(), &last.to_string()],
                )
                .await;
            }
        }
        let first = servers.node(0);
        for node in &servers.nodes()[1..] {
            let port = if tls.is_empty() {
                node.port()
            } else {
                node.port_for(tls)
            };
            let (port, bus) = (
                port.to_string(),
                node.port_for("--cluster-port").to_string(),
            );
            tell(first, &["MEET", "127.0.0.1", &port, &bus]).await;
        }
        for node in servers.nodes() {
            let known = format!("cluster_known_nodes:{}\r", servers.nodes().len());
            eventually(BOUND, async || about(node).await.contains(&known)).await;
        }
        for (index, node) in servers.nodes().iter().enumerate().skip(3) {
            let master = id(servers.node(index % 3)).await;
            tell(node, &["REPLICATE", &master]).await;
            eventually(BOUND, async || {
                let info: String = node.ask(redis::cmd("INFO").arg("replication")).await;
                info.contains("master_link_status:up")
            })
            .await;
        }
        for node in servers.nodes() {
            eventually(BOUND, async || settled(&about(node).await)).await;
        }
        Some(Self { servers })
    }

    fn shard(&self, index: usize) -> &Node {
        self.servers.node(index)
    }

    fn url(&self) -> String {
        self.url_by("", &[0, 1])
    }

    fn url_by(&self, login: &str, seeds: &[usize]) -> String {
        let seeds: Vec<String> = seeds
            .iter()
            .map(|seed| self.shard(*seed).address().to_string())
            .collect();
        format!("redis+cluster://{login}{}", seeds.join(","))
    }

    fn client(&self, guard: RestartGuard) -> Builder {
        settings(guard).node(self.url())
    }

    /// Which shards have a lock; the servers tell of their own keys only.
    async fn with_locks(&self) -> Vec<usize> {
        let looks = self.servers.live().map(async |node| {
            let keys = node.keys().await;
            keys.iter()
                .any(|key| !key.ends_with(":fence"))
                .then_some(node.index())
        });
        join_all(looks).await.into_iter().flatten().collect()
    }
}

fn settings(guard: RestartGuard) -> Builder {
    Redlock::builder()
        .ttl(MAX_TTL)
        .max_ttl(MAX_TTL)
        .clock_skew(SKEW)
        .restart_guard(guard)
}

async fn tell(node: &Node, words: &[&str]) {
    let () = node.ask(redis::cmd("CLUSTER").arg(words)).await;
}

async fn about(node: &Node) -> String {
    node.ask(redis::cmd("CLUSTER").arg("INFO")).await
}

fn settled(about: &str) -> bool {
    about.contains("cluster_state:ok") && about.contains("cluster_slots_ok:16384")
}

async fn id(node: &Node) -> String {
    node.ask(redis::cmd("CLUSTER").arg("MYID")).await
}

async fn connect(sharded: &Sharded) -> Redlock {
    patient([sharded.url()]).connect().await.expect("a cluster")
}

#[tokio::test]
async fn as_the_only_node() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let (one, other) = (connect(&sharded).await, connect(&sharded).await);
    for key in OF_SHARD {
        cycle(&one, &other, key).await;
    }
    cycle(&one, &other, "invoice:{customer-7}:42").await;
    contention(&[one.clone(), other], "contended").await;
    let health = &one.health().await[0];
    assert_eq!(health.state, NodeState::Up);
    assert!(health.node.starts_with("cluster 127.0.0.1:"), "{health:?}");
    assert!(health.version.starts_with(char::is_numeric), "{health:?}");
}

#[tokio::test]
async fn many_keys_over_all_slots() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let (one, other) = (connect(&sharded).await, connect(&sharded).await);
    let keys: Vec<String> = (0..600).map(|n| format!("k{n}")).collect();
    let all = join_all(
        keys.iter()
            .map(async |key| one.lock(key).ttl(LONG).no_wait().await.expect("free")),
    );
    let held = within(BOUND, all).await;
    assert_eq!(sharded.with_locks().await, [0, 1, 2]);
    for guard in &held {
        assert!(
            other
                .try_lock(guard.key())
                .await
                .expect("an answer")
                .is_none()
        );
    }
    within(
        BOUND,
        join_all(
            held.into_iter()
                .map(async |guard| guard.release().await.expect("released")),
        ),
    )
    .await;
    assert_eq!(sharded.with_locks().await, Vec::<usize>::new());
    // Several keys at once, of several shards.
    let guards = one.lock_all(OF_SHARD).await.expect("free");
    assert_eq!(sharded.with_locks().await, [0, 1, 2]);
    drop(guards);
    eventually(SOON, async || sharded.with_locks().await.is_empty()).await;
}

#[tokio::test]
async fn as_one_of_three_nodes() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let plain = Cluster::start(2).await;
    let urls = [plain.urls(), vec![sharded.url()]].concat();
    let builder = patient(urls);
    let one = builder.clone().connect().await.expect("three nodes");
    let other = builder.connect().await.expect("three nodes");
    for key in OF_SHARD {
        cycle(&one, &other, key).await;
    }
    contention(&[one.clone(), other], "contended").await;
    // Its vote counts, and its absence does not matter, for each shard.
    plain.node(0).kill();
    one.lock(OF_SHARD[1])
        .await
        .expect("two of three")
        .release()
        .await
        .expect("released");
    sharded.shard(1).kill();
    for (shard, key) in OF_SHARD.into_iter().enumerate() {
        let tried = one.lock(key).no_wait().await;
        assert_eq!(tried.is_ok(), shard != 1, "{tried:?}");
    }
}

#[tokio::test]
async fn a_shard_that_is_gone_takes_its_own_keys_along_only() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let redlock = sharded
        .client(RestartGuard::Observed)
        .connect()
        .await
        .expect("a cluster");
    let held = redlock
        .lock(OF_SHARD[0])
        .keep_alive(true)
        .await
        .expect("free");
    let lost = redlock
        .lock(OF_SHARD[1])
        .keep_alive(true)
        .await
        .expect("free");
    sharded.shard(1).kill();
    within(BOUND, lost.lost()).await;
    let name = sharded.shard(1).address().to_string();
    let error = redlock
        .lock(OF_SHARD[1])
        .no_wait()
        .await
        .expect_err("its server is gone");
    assert_blames(&error, "cluster", FaultKind::Unreachable, &[&name]);
    for key in [OF_SHARD[2], "another:{foo}"] {
        redlock
            .lock(key)
            .no_wait()
            .await
            .expect("free")
            .release()
            .await
            .expect("released");
    }
    assert!(!held.is_lost());

    // Back, and empty: it has no vote for the guard time, towards its own keys.
    sharded.shard(1).start().await;
    let start = Instant::now();
    eventually(BOUND, async || {
        matches!(
            redlock.health().await[0].state,
            NodeState::Quarantined { .. }
        )
    })
    .await;
    redlock
        .lock(OF_SHARD[2])
        .no_wait()
        .await
        .expect("free")
        .release()
        .await
        .expect("released");
    let error = redlock
        .lock(OF_SHARD[1])
        .no_wait()
        .await
        .expect_err("no vote");
    let said = blamed(&error, "cluster");
    // The server itself takes two seconds to find that it belongs to the cluster.
    assert!(
        said.kind() == FaultKind::Quarantined || said.cause().contains("CLUSTERDOWN"),
        "{error}"
    );
    redlock
        .lock(OF_SHARD[1])
        .wait(BOUND)
        .await
        .expect("after the guard time")
        .release()
        .await
        .expect("released");
    assert!(start.elapsed() >= GUARD_TIME, "{:?}", start.elapsed());
    assert!(!held.is_lost());
}

#[tokio::test]
async fn a_shard_that_hangs_holds_up_its_own_keys_only() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let redlock = Redlock::connect([sharded.url()]).await.expect("a cluster");
    redlock
        .lock(OF_SHARD[1])
        .await
        .expect("free")
        .release()
        .await
        .expect("released");
    sharded.shard(1).pause();
    let background = redlock.clone();
    let hung = tokio::spawn(async move {
        let started = Instant::now();
        let mut errors = 0;
        while started.elapsed() < Duration::from_secs(2) {
            errors += usize::from(background.lock(OF_SHARD[1]).no_wait().await.is_err());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        errors
    });
    let mut slowest = Duration::ZERO;
    while !hung.is_finished() {
        for key in [OF_SHARD[0], OF_SHARD[2]] {
            let start = Instant::now();
            let guard = redlock.lock(key).no_wait().await.expect("free");
            slowest = slowest.max(start.elapsed());
            guard.release().await.expect("released");
        }
    }
    assert!(hung.await.expect("no panic") > 0);
    // Far from the 250 ms of the node time-out.
    assert!(slowest < Duration::from_millis(150), "{slowest:?}");
    sharded.shard(1).resume();
    let _ = redlock
        .lock(OF_SHARD[1])
        .wait(BOUND)
        .await
        .expect("it answers again");
}

/// A replica takes over: what it may have missed is waited for.
#[tokio::test]
async fn observed_a_failover_quarantines_the_new_master() {
    let Some(sharded) = Sharded::start(1).await else {
        return;
    };
    let redlock = sharded
        .client(RestartGuard::Observed)
        .connect()
        .await
        .expect("a cluster");
    let other = sharded
        .client(RestartGuard::Observed)
        .connect()
        .await
        .expect("a cluster");
    let elsewhere = redlock
        .lock(OF_SHARD[0])
        .keep_alive(true)
        .await
        .expect("free");
    let held = redlock
        .lock(OF_SHARD[1])
        .keep_alive(true)
        .await
        .expect("free");
    let token = held.token();
    sharded.shard(1).kill();
    let guard = other
        .lock(OF_SHARD[1])
        .wait(BOUND)
        .await
        .expect("the replica took over");
    assert!(held.is_lost(), "two holders");
    assert!(guard.token() > token);
    assert!(
        sharded
            .shard(4)
            .keys()
            .await
            .contains(&OF_SHARD[1].to_owned())
    );
    assert!(!elsewhere.is_lost());
    // The old master comes back as a replica, which nobody asks.
    sharded.shard(1).start().await;
    guard.release().await.expect("released");
    for redlock in [&redlock, &other] {
        for key in &OF_SHARD[1..] {
            let guard = redlock.lock(*key).wait(SOON).await.expect("free");
            guard.release().await.expect("released");
        }
    }
}

#[tokio::test]
async fn observed_the_quarantine_of_a_new_master_lasts_the_guard_time() {
    let Some(sharded) = Sharded::start(1).await else {
        return;
    };
    let redlock = sharded
        .client(RestartGuard::Observed)
        .connect()
        .await
        .expect("a cluster");
    sharded.shard(1).kill();
    eventually(BOUND, async || {
        matches!(
            redlock.health().await[0].state,
            NodeState::Quarantined { .. }
        )
    })
    .await;
    let start = Instant::now();
    redlock
        .lock(OF_SHARD[2])
        .no_wait()
        .await
        .expect("free")
        .release()
        .await
        .expect("released");
    let error = redlock
        .lock(OF_SHARD[1])
        .no_wait()
        .await
        .expect_err("no vote");
    assert_eq!(
        blamed(&error, "cluster").kind(),
        FaultKind::Quarantined,
        "{error}"
    );
    redlock
        .lock(OF_SHARD[1])
        .wait(BOUND)
        .await
        .expect("after the guard time")
        .release()
        .await
        .expect("released");
    assert!(
        start.elapsed() >= GUARD_TIME - Duration::from_millis(500),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn off_a_failover_is_followed_at_once() {
    let Some(sharded) = Sharded::start(1).await else {
        return;
    };
    let redlock = sharded
        .client(RestartGuard::Off)
        .connect()
        .await
        .expect("a cluster");
    sharded.shard(1).kill();
    redlock
        .lock(OF_SHARD[1])
        .wait(BOUND)
        .await
        .expect("the new master")
        .release()
        .await
        .expect("released");
    assert_eq!(redlock.health().await[0].state, NodeState::Up);
}

#[tokio::test]
async fn a_slot_that_moves_is_followed_within_the_call() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let redlock = connect(&sharded).await;
    let _known = redlock.lock(OF_SHARD[1]).await.expect("free");
    let slot: u64 = sharded
        .shard(0)
        .ask(redis::cmd("CLUSTER").arg("KEYSLOT").arg(KEY))
        .await;
    let owner = SLOTS
        .iter()
        .position(|(first, last)| (u64::from(*first)..=u64::from(*last)).contains(&slot));
    let owner = owner.expect("one of three");
    let to = (owner + 1) % 3;
    let id = id(sharded.shard(to)).await;
    for index in [to, owner, (owner + 2) % 3] {
        tell(
            sharded.shard(index),
            &["SETSLOT", &slot.to_string(), "NODE", &id],
        )
        .await;
    }
    let guard = redlock.lock(KEY).no_wait().await.expect("free, there");
    assert!(sharded.shard(to).keys().await.contains(&KEY.to_owned()));
    guard.release().await.expect("released");
    let guard = redlock.lock(KEY).no_wait().await.expect("free");
    guard.extend().await.expect("held");
}

#[tokio::test]
async fn seeds_that_are_gone() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let nowhere = "127.0.0.1:1";
    let url = sharded
        .url()
        .replace("cluster://", &format!("cluster://{nowhere},"));
    let redlock = Redlock::connect([url]).await.expect("one seed is enough");
    let _guard = redlock.lock(KEY).await.expect("free");
    let error = Redlock::connect([format!("redis+cluster://{nowhere},127.0.0.1:2")])
        .await
        .expect_err("no seed at all");
    assert_blames(
        &error,
        "cluster",
        FaultKind::Unreachable,
        &[nowhere, "127.0.0.1:2"],
    );
}

#[tokio::test]
async fn a_server_that_is_no_cluster() {
    let plain = Cluster::start(1).await;
    let address = plain.node(0).address().to_string();
    let error = Redlock::connect([format!("redis+cluster://{address}")])
        .await
        .expect_err("no cluster");
    assert_blames(
        &error,
        "cluster",
        FaultKind::Other,
        &[&address, "cluster support disabled"],
    );
}

#[tokio::test]
async fn one_cluster_twice_is_refused() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let (one, other) = (sharded.url_by("", &[0]), sharded.url_by("", &[1, 2]));
    let error = settings(RestartGuard::Off)
        .nodes([one, other])
        .connect()
        .await
        .expect_err("one cluster");
    assert_eq!(error.kind(), ErrorKind::InvalidNodes, "{error}");
    for shard in 0..2 {
        assert!(
            error
                .to_string()
                .contains(&sharded.shard(shard).address().to_string()),
            "{error}"
        );
    }

    let address = sharded.shard(2).address().to_string();
    let nodes = [sharded.url(), format!("redis://{address}")];
    let error = settings(RestartGuard::Off)
        .nodes(nodes)
        .connect()
        .await
        .expect_err("a server of the cluster");
    assert_eq!(error.kind(), ErrorKind::InvalidNodes, "{error}");
    assert!(
        error.to_string().contains(&address) && error.to_string().contains("cluster"),
        "{error}"
    );
}

#[tokio::test]
async fn strict_is_refused_with_the_remedy() {
    let error = settings(RestartGuard::Strict)
        .node("redis+cluster://a:1,b:2")
        .connect()
        .await
        .expect_err("nothing to mark");
    assert_eq!(error.kind(), ErrorKind::InvalidNodes, "{error}");
    assert!(
        error.to_string().contains("a:1,b:2") && error.to_string().contains("Strict"),
        "{error}"
    );
}

#[tokio::test]
async fn over_tls() {
    let authority = Authority::new("ours");
    let (servers, _dir) = authority.certify(Cluster::builder(3), "no");
    let servers = servers.arg(["--tls-cluster", "yes"]);
    let Some(sharded) = Sharded::of(servers, 0, "--tls-port").await else {
        return;
    };
    let seed = sharded.shard(0).port_for("--tls-port");
    let builder = patient([format!("rediss+cluster://127.0.0.1:{seed}")]);
    let error = builder
        .clone()
        .connect()
        .await
        .expect_err("an authority of our own");
    assert_blames(
        &error,
        "cluster",
        FaultKind::Unreachable,
        &[&seed.to_string(), "certificate"],
    );
    let builder = builder.root_certificate(authority.pem.as_str());
    let one = builder.clone().connect().await.expect("a cluster");
    let other = builder.connect().await.expect("a cluster");
    for key in OF_SHARD {
        cycle(&one, &other, key).await;
    }
}

#[tokio::test]
async fn with_a_password() {
    let Some(sharded) = Sharded::with(0, Some("s3cret")).await else {
        return;
    };
    let url = sharded.url_by(":s3cret@", &[0, 1]);
    let redlock = Redlock::connect([url]).await.expect("a cluster");
    for key in OF_SHARD {
        redlock
            .lock(key)
            .await
            .expect("free")
            .release()
            .await
            .expect("released");
    }
    let url = sharded.url_by(":wr0ng@", &[0, 1]);
    let error = Redlock::connect([url]).await.expect_err("a wrong password");
    assert_blames(&error, "cluster", FaultKind::Authentication, &["WRONGPASS"]);
    assert!(!format!("{error} {error:?}").contains("wr0ng"), "{error}");
}
