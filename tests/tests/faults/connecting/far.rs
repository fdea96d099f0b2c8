//! F65: distant nodes, with one round trip below the node time-out.

use std::time::Duration;

use redlock::{Builder, FaultKind, NodeState, Redlock, RestartGuard};
use tests::proxy::{Flow, Proxy};
use tests::{Cluster, eventually, within};

use super::authority::Authority;

const LONG: Duration = Duration::from_secs(30);
const BOUND: Duration = Duration::from_secs(60);
const KEY: &str = "invoice:42";
/// A round trip takes most of it, but leaves almost a second for a busy machine.
const NODE_TIMEOUT: Duration = Duration::from_millis(2_500);
const ONE_WAY: Duration = Duration::from_millis(800);

fn builder() -> Builder {
    Redlock::builder()
        .node_timeout(NODE_TIMEOUT)
        .restart_guard(RestartGuard::Off)
}

async fn far_away(cluster: &Cluster) -> Vec<Proxy> {
    let proxies = Proxy::before_all(cluster).await;
    proxies
        .iter()
        .for_each(|proxy| proxy.set_both(Flow::delay(ONE_WAY)));
    proxies
}

async fn a_proxy_far_away(port: u16) -> Proxy {
    let proxy = Proxy::start(([127, 0, 0, 1], port).into()).await;
    proxy.set_both(Flow::delay(ONE_WAY));
    proxy
}

/// The port of a proxy.
fn port(proxy: &Proxy) -> u16 {
    let url = proxy.url();
    let (_, port) = url.rsplit_once(':').expect("a port");
    port.parse().expect("a number")
}

/// The first call of a client without connections, and then the life of a lock.
async fn works(builder: Builder) {
    let lazy = builder.clone().connect_lazy().expect("addresses");
    let guard = within(BOUND, lazy.lock(KEY).ttl(LONG).no_wait()).await;
    guard
        .expect("the first call")
        .release()
        .await
        .expect("released");
    let lazy = builder.clone().connect_lazy().expect("addresses");
    for node in within(BOUND, lazy.health()).await {
        assert_eq!(node.state, NodeState::Up, "{node:?}");
    }
    let redlock = within(BOUND, builder.connect()).await.expect("a quorum");
    let guard = redlock.lock(KEY).ttl(LONG).no_wait().await.expect("free");
    guard.extend().await.expect("held");
    assert!(redlock.holder(KEY).await.expect("an answer").is_some());
    guard.release().await.expect("released");
}

#[tokio::test]
async fn f65_far_plain_servers() {
    let cluster = Cluster::builder(3).password("s3cret").start().await;
    let proxies = far_away(&cluster).await;
    works(
        builder()
            .nodes(proxies.iter().map(Proxy::url))
            .password("s3cret"),
    )
    .await;
}

#[tokio::test]
async fn f65_far_servers_without_fencing_and_with_the_strict_guard() {
    let cluster = Cluster::start(3).await;
    let proxies = far_away(&cluster).await;
    let builder = builder().nodes(proxies.iter().map(Proxy::url));
    works(builder.clone().fencing(false)).await;
    let strict = builder.restart_guard(RestartGuard::Strict);
    let redlock = within(BOUND, strict.clone().connect())
        .await
        .expect("a quorum");
    redlock.trust_nodes().await.expect("a quorum");
    let guard = strict
        .connect_lazy()
        .expect("addresses")
        .lock(KEY)
        .no_wait()
        .await;
    guard
        .expect("the first call")
        .release()
        .await
        .expect("released");
}

#[tokio::test]
async fn f65_far_servers_over_tls() {
    let authority = Authority::new("ours");
    let (servers, _dir) = authority.certify(Cluster::builder(1), "no");
    if servers.lacks().await.is_some() {
        return;
    }
    let cluster = servers.start().await;
    let proxy = a_proxy_far_away(cluster.node(0).port_for("--tls-port")).await;
    let node = format!("rediss://127.0.0.1:{}", port(&proxy));
    works(builder().node(node).root_certificate(authority.pem)).await;
}

#[tokio::test]
async fn f65_a_far_cluster() {
    let cluster = Cluster::builder(1)
        .arg(["--cluster-enabled", "yes"])
        .port_for("--cluster-port");
    if cluster.lacks().await.is_some() {
        return;
    }
    let cluster = cluster.start().await;
    let node = cluster.node(0);
    let mut slots = redis::cmd("CLUSTER");
    let () = node
        .ask(slots.arg("ADDSLOTSRANGE").arg(0).arg(16_383))
        .await;
    eventually(BOUND, async || {
        let about: String = node.ask(redis::cmd("CLUSTER").arg("INFO")).await;
        about.contains("cluster_state:ok")
    })
    .await;
    let proxy = a_proxy_far_away(node.port()).await;
    let mut announce = redis::cmd("CONFIG");
    announce
        .arg("SET")
        .arg("cluster-announce-port")
        .arg(port(&proxy));
    let () = node.ask(&announce).await;
    works(builder().node(format!("redis+cluster://127.0.0.1:{}", port(&proxy)))).await;
}

#[tokio::test]
async fn f65_far_sentinels() {
    let servers = Cluster::start(1).await;
    let master = a_proxy_far_away(servers.node(0).port()).await;
    let config = format!(
        "sentinel monitor shop 127.0.0.1 {} 1\nsentinel down-after-milliseconds shop 60000\n",
        port(&master)
    );
    let sentinels = Cluster::builder(1)
        .config(&config)
        .arg(["--sentinel"])
        .start()
        .await;
    let sentinel = a_proxy_far_away(sentinels.node(0).port()).await;
    works(builder().node(format!(
        "redis+sentinel://127.0.0.1:{}/shop",
        port(&sentinel)
    )))
    .await;
}

/// The node is connected while calls continue without it, and votes from then on.
#[tokio::test]
async fn f65_one_node_is_far() {
    let cluster = Cluster::start(3).await;
    let far = a_proxy_far_away(cluster.node(2).port()).await;
    let mut urls = cluster.urls();
    urls[2] = far.url();
    let redlock = builder().nodes(urls).connect_lazy().expect("addresses");
    let guard = redlock
        .lock(KEY)
        .ttl(LONG)
        .no_wait()
        .await
        .expect("two are near");
    guard.release().await.expect("released");
    eventually(BOUND, async || {
        redlock
            .health()
            .await
            .iter()
            .all(|node| node.state == NodeState::Up)
    })
    .await;
    cluster.node(0).kill();
    let guard = redlock
        .lock(KEY)
        .ttl(LONG)
        .no_wait()
        .await
        .expect("the far one votes");
    guard.release().await.expect("released");
}

/// Beyond the node time-out the calls fail, and the error says what to do.
#[tokio::test]
async fn f65_an_error_for_distant_nodes_names_the_setting() {
    let cluster = Cluster::start(1).await;
    let proxy = Proxy::before(cluster.node(0)).await;
    proxy.set_both(Flow::delay(ONE_WAY));
    for address in [
        proxy.url(),
        proxy.url().replace("redis://", "redis+cluster://"),
    ] {
        let builder = Redlock::builder()
            .node(address)
            .node_timeout(ONE_WAY)
            .restart_guard(RestartGuard::Off);
        let error = within(BOUND, builder.connect()).await.expect_err("too far");
        assert_eq!(
            error.node_errors()[0].kind(),
            FaultKind::TimedOut,
            "{error}"
        );
        assert!(error.to_string().contains("node_timeout"), "{error}");
    }
}
