//! Servers that report no `run_id`, as some proxies and other products do.

use std::net::SocketAddr;

use redlock::ErrorKind;
use tests::Logs;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tracing::level_filters::LevelFilter;

use super::*;

/// A proxy in front of `node` that removes `run_id` from `INFO`.
async fn without_run_id(node: &Node) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (here, there) = (listener.local_addr().expect("bound"), node.address());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(relay(client, there));
        }
    });
    format!("redis://{here}")
}

async fn relay(client: TcpStream, there: SocketAddr) -> std::io::Result<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = TcpStream::connect(there).await?.into_split();
    let asking = async { tokio::io::copy(&mut from_client, &mut to_server).await };
    let answering = async {
        let mut held = Vec::new();
        while from_server.read_buf(&mut held).await? > 0 {
            while let Some(at) = held.windows(7).position(|word| word == b"run_id:") {
                held[at] = b'_';
            }
            // Only the beginning of a word may have arrived.
            let rest = (1..7)
                .rev()
                .find(|&rest| held.ends_with(&b"run_id:"[..rest]));
            let ready = held.len() - rest.unwrap_or(0);
            to_client.write_all(&held[..ready]).await?;
            held.drain(..ready);
        }
        std::io::Result::Ok(())
    };
    tokio::select! {
        copied = asking => copied.map(|_| ()),
        answered = answering => answered,
    }
}

async fn builder(cluster: &Cluster) -> Builder {
    let mut builder = Redlock::builder().node_timeout(Duration::from_secs(2));
    for node in cluster.nodes() {
        builder = builder.node(without_run_id(node).await);
    }
    builder
}

#[tokio::test]
async fn f8_strict_without_a_run_id_is_a_clear_error() {
    let cluster = Cluster::start(3).await;
    let strict = builder(&cluster).await.restart_guard(RestartGuard::Strict);
    let error = strict.clone().connect().await.expect_err("no run id");
    assert_eq!(error.kind(), ErrorKind::InvalidNodes, "{error}");
    let text = error.to_string();
    assert!(
        text.contains("run_id") && text.contains("Observed"),
        "{text}"
    );
    let lazy = strict.connect_lazy().expect("nothing is asked yet");
    let error = lazy.try_lock(KEY).await.expect_err("no run id");
    assert!(format!("{error:?}").contains("run_id"), "{error:?}");
}

#[tokio::test]
async fn f8_observed_warns() {
    let cluster = Cluster::start(1).await;
    let logs = Logs::capture(LevelFilter::WARN);
    let redlock = builder(&cluster).await.connect().await.expect("a node");
    assert!(logs.text().contains("run_id"), "{}", logs.text());
    let guard = redlock.try_lock(KEY).await.expect("a node");
    guard.expect("free").release().await.expect("released");
}

/// An uptime that decreases is a restart. The node comes back with an old snapshot, so nothing else shows it: the
/// record of the node is there, but the lock is not.
#[tokio::test]
async fn f8_a_restart_with_an_old_snapshot_is_noticed_by_the_uptime() {
    let cluster = Cluster::start(3).await;
    eventually(BOUND, async || {
        cluster.node(1).info("server", "uptime_in_seconds").await >= 4
    })
    .await;
    let watched = {
        let proxies = Proxy::before_all(&cluster).await;
        proxies[2].refuse(true);
        let one = Redlock::builder()
            .nodes(proxies.iter().map(Proxy::url))
            .connect()
            .await
            .expect("two of three");
        let other = builder(&cluster)
            .await
            .connect()
            .await
            .expect("three nodes");
        run(cluster.node(1), &["SAVE"]).await;
        let held = one.lock(KEY).ttl(LONG).await.expect("free");
        Watched {
            cluster,
            held,
            other,
            _proxies: proxies,
        }
    };
    watched.node().kill();
    watched.node().start().await;
    assert!(watched.has_forgotten().await);
    watched.nobody_else_gets_it().await;
}
