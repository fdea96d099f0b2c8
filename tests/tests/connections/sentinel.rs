//! A master that sentinels name, as one node: a failover moves the lock service, and the restart guard covers locks that
//! the promoted replica may not have.

use std::time::Duration;

use redlock::{Builder, ErrorKind, FaultKind, NodeState, Redlock, RestartGuard};
use tests::{Cluster, Managed, eventually};
use tokio::time::Instant;

use crate::authority::Authority;
use crate::support::{BOUND, KEY, PATIENT, assert_blames, blamed, contention, cycle, lacks};

const MAX_TTL: Duration = Duration::from_secs(2);
const SKEW: Duration = Duration::from_millis(500);
/// `max_ttl`, 1 % of it, and the clock skew.
const GUARD_TIME: Duration = Duration::from_millis(2520);

fn client(managed: &Managed, guard: RestartGuard) -> Builder {
    settings(guard).node(managed.url())
}

fn settings(guard: RestartGuard) -> Builder {
    Redlock::builder()
        .ttl(MAX_TTL)
        .max_ttl(MAX_TTL)
        .clock_skew(SKEW)
        .node_timeout(PATIENT / 4)
        .restart_guard(guard)
}

async fn state(redlock: &Redlock) -> NodeState {
    redlock.health().await[0].state.clone()
}

#[tokio::test]
async fn the_master_as_the_only_node() {
    let managed = Managed::start(None).await;
    let one = client(&managed, RestartGuard::Off)
        .max_ttl(BOUND)
        .connect()
        .await
        .expect("a master");
    let other = client(&managed, RestartGuard::Off)
        .max_ttl(BOUND)
        .connect()
        .await
        .expect("a master");
    cycle(&one, &other, KEY).await;
    contention(&[one.clone(), other], "contended").await;
    let name = &one.health().await[0].node;
    assert!(name.contains("shop") && name.contains("sentinel"), "{name}");
}

#[tokio::test]
async fn strict_a_failover_moves_the_lock_service_and_quarantines_the_new_master() {
    let managed = Managed::start(None).await;
    let one = client(&managed, RestartGuard::Strict)
        .connect()
        .await
        .expect("a master");
    let other = client(&managed, RestartGuard::Strict)
        .connect()
        .await
        .expect("a master");
    one.trust_nodes().await.expect("vouched for");
    let held = one.lock(KEY).keep_alive(true).await.expect("free");
    let token = held.token();
    managed.master().kill();
    let start = Instant::now();
    eventually(BOUND, async || {
        assert!(
            state(&one).await != NodeState::Up,
            "no quarantine after a failover"
        );
        matches!(state(&one).await, NodeState::Quarantined { .. })
    })
    .await;
    let promoted = Instant::now();
    // The same for a later client.
    let late = client(&managed, RestartGuard::Strict)
        .connect()
        .await
        .expect("a new master");
    if promoted.elapsed() < GUARD_TIME / 2 {
        assert!(matches!(state(&late).await, NodeState::Quarantined { .. }));
    }
    // The only node has no vote, so the held lock is lost in time, and no other client gets it before that.
    for redlock in [&other, &late] {
        let guard = redlock
            .lock(KEY)
            .wait(BOUND)
            .await
            .expect("after the guard time");
        assert!(held.is_lost() && guard.token() > token);
        assert!(start.elapsed() >= GUARD_TIME);
        guard.release().await.expect("released");
    }
    managed
        .replica()
        .keys()
        .await
        .iter()
        .find(|key| key.contains(KEY))
        .expect("the locks are there");
}

#[tokio::test]
async fn off_a_failover_moves_the_lock_service_at_once() {
    let managed = Managed::start(None).await;
    let redlock = client(&managed, RestartGuard::Off)
        .connect()
        .await
        .expect("a master");
    let token = redlock.lock(KEY).await.expect("free").token();
    managed.master().kill();
    let guard = redlock
        .lock("other")
        .wait(BOUND)
        .await
        .expect("the new master");
    assert!(managed.replica().exists("other").await);
    guard.release().await.expect("released");
    let guard = redlock.lock(KEY).wait(BOUND).await.expect("the new master");
    assert!(guard.token() > token);
}

/// The old master comes back as a replica, which the client ignores.
#[tokio::test]
async fn a_master_that_comes_back_as_a_replica_is_not_asked() {
    let managed = Managed::start(None).await;
    let redlock = client(&managed, RestartGuard::Off)
        .connect()
        .await
        .expect("a master");
    managed.master().kill();
    redlock
        .lock(KEY)
        .wait(BOUND)
        .await
        .expect("the new master")
        .release()
        .await
        .expect("released");
    managed.master().start().await;
    // The sentinels do the same, but on a busy machine they may wait for minutes before (TILT).
    let port = managed.replica().port();
    let () = managed
        .master()
        .ask(redis::cmd("REPLICAOF").arg("127.0.0.1").arg(port))
        .await;
    let late = client(&managed, RestartGuard::Off)
        .connect()
        .await
        .expect("the new master");
    for redlock in [&redlock, &late] {
        redlock
            .lock(KEY)
            .no_wait()
            .await
            .expect("free")
            .release()
            .await
            .expect("released");
    }
}

#[tokio::test]
async fn observed_is_refused_with_the_remedy() {
    let error = settings(RestartGuard::Observed)
        .node("redis+sentinel://a:26379,b:26379/shop")
        .connect()
        .await
        .expect_err("a failover is not seen");
    assert_eq!(error.kind(), ErrorKind::InvalidNodes, "{error}");
    for word in ["a:26379", "shop", "Strict", "Off"] {
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
}

#[tokio::test]
async fn one_sentinel_hangs_and_is_not_waited_for() {
    let managed = Managed::start(None).await;
    managed.sentinels.node(0).pause();
    let redlock = client(&managed, RestartGuard::Off)
        .connect()
        .await
        .expect("two of three sentinels");
    let _ = redlock.lock(KEY).no_wait().await.expect("free");
}

#[tokio::test]
async fn without_a_majority_of_the_sentinels_no_master_is_accepted() {
    let managed = Managed::start(None).await;
    managed.sentinels.node(0).kill();
    managed.sentinels.node(1).kill();
    let error = client(&managed, RestartGuard::Off)
        .connect()
        .await
        .expect_err("one of three sentinels");
    for node in &managed.sentinels.nodes()[..2] {
        assert_blames(
            &error,
            "shop",
            FaultKind::Unreachable,
            &[&node.address().to_string()],
        );
    }
}

#[tokio::test]
async fn a_master_that_no_sentinel_knows() {
    let managed = Managed::start(None).await;
    let url = managed.url().replace("/shop", "/stall");
    let error = settings(RestartGuard::Off)
        .node(url)
        .connect()
        .await
        .expect_err("no such master");
    let said = blamed(&error, "stall").cause();
    assert!(
        said.contains("stall") && said.contains("no master"),
        "{said}"
    );
}

#[tokio::test]
async fn the_login_before_the_hosts_is_that_of_the_master() {
    let managed = Managed::start(Some("s3cret")).await;
    let builder = || settings(RestartGuard::Off);
    let redlock = builder()
        .node(managed.url_with(":s3cret@"))
        .connect()
        .await
        .expect("a master");
    let _ = redlock.lock(KEY).await.expect("free");
    let error = builder()
        .node(managed.url_with(":wr0ng@"))
        .connect()
        .await
        .expect_err("a wrong password");
    assert_blames(&error, "shop", FaultKind::Authentication, &["WRONGPASS"]);
    assert!(!format!("{error} {error:?}").contains("wr0ng"), "{error}");
}

#[tokio::test]
async fn a_database() {
    let managed = Managed::start(None).await;
    let url = managed.url() + "/3";
    let redlock = settings(RestartGuard::Off)
        .node(url)
        .connect()
        .await
        .expect("a master");
    let _held = redlock.lock(KEY).await.expect("free");
    assert!(!managed.master().exists(KEY).await, "that is database 0");
    let () = managed
        .master()
        .ask(redis::cmd("SWAPDB").arg(0).arg(3))
        .await;
    assert!(managed.master().exists(KEY).await);
}

/// As one of three nodes, its votes are not needed during a failover.
#[tokio::test]
async fn as_one_of_three_nodes() {
    let managed = Managed::start(None).await;
    let plain = Cluster::start(2).await;
    let builder = client(&managed, RestartGuard::Strict).nodes(plain.urls());
    let (one, other) = (builder.clone().connect().await, builder.connect().await);
    let (one, other) = (one.expect("three nodes"), other.expect("three nodes"));
    one.trust_nodes().await.expect("vouched for");
    let held = one.lock(KEY).keep_alive(true).await.expect("free");
    managed.master().kill();
    let start = Instant::now();
    while start.elapsed() < GUARD_TIME * 2 {
        assert!(!held.is_lost() && other.try_lock(KEY).await.expect("two of three").is_none());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    eventually(BOUND, async || state(&one).await == NodeState::Up).await;
    held.release().await.expect("released");
    plain.node(0).kill();
    let _ = other
        .lock(KEY)
        .wait(BOUND)
        .await
        .expect("the new master and one of the others");
}

/// The same server by its own address and through sentinels.
#[tokio::test]
async fn a_master_listed_beside_its_sentinels() {
    let managed = Managed::start(None).await;
    let address = managed.master().address().to_string();
    let error = client(&managed, RestartGuard::Off)
        .node(format!("redis://{address}"))
        .connect()
        .await
        .expect_err("one server twice");
    assert_eq!(error.kind(), ErrorKind::InvalidNodes, "{error}");
    assert!(
        error.to_string().contains(&address) && error.to_string().contains("shop"),
        "{error}"
    );
}

#[tokio::test]
async fn over_tls() {
    let authority = Authority::new("ours");
    let (server, _server_dir) = authority.certify(Cluster::builder(1), "no");
    if lacks(&server).await {
        return;
    }
    let server = server.start().await;
    let port = server.node(0).port_for("--tls-port");
    let (sentinel, _sentinel_dir) = authority.certify(Cluster::builder(1), "no");
    let sentinel = sentinel
        .config(&format!("sentinel monitor shop 127.0.0.1 {port} 1\n"))
        .arg(["--sentinel", "--tls-replication", "yes"])
        .start()
        .await;
    let port = sentinel.node(0).port_for("--tls-port");
    let builder = settings(RestartGuard::Off)
        .max_ttl(BOUND)
        .node(format!("rediss+sentinel://127.0.0.1:{port}/shop"));
    let error = builder
        .clone()
        .connect()
        .await
        .expect_err("an authority of our own");
    assert_blames(&error, "shop", FaultKind::Unreachable, &["certificate"]);
    let builder = builder.root_certificate(authority.pem.as_str());
    let one = builder.clone().connect().await.expect("a master");
    let other = builder.connect().await.expect("a master");
    cycle(&one, &other, KEY).await;
}

/// The password before the hosts is that of the master. Sentinels without a password report that one is missing.
#[tokio::test]
async fn sentinels_that_require_a_password_are_named() {
    let sentinels = Cluster::builder(1)
        .config("requirepass s3cret\nsentinel monitor shop 127.0.0.1 1 1\n")
        .arg(["--sentinel"])
        .password("s3cret")
        .start()
        .await;
    let address = sentinels.node(0).address().to_string();
    let builder =
        settings(RestartGuard::Off).node(format!("redis+sentinel://:s3cret@{address}/shop"));
    let error = builder.connect().await.expect_err("not let in");
    assert_blames(
        &error,
        "shop",
        FaultKind::Authentication,
        &[&address, "NOAUTH", "sentinel_password"],
    );
}
