//! Connecting: seeds that are down, servers that are no cluster or are listed twice, TLS and passwords.

use redlock::{ErrorKind, FaultKind, Redlock, RestartGuard};
use tests::Cluster;

use super::sharded::{OF_SHARD, Sharded, settings};
use crate::authority::Authority;
use crate::support::{KEY, assert_blames, cycle, patient};

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
async fn a_server_that_is_not_a_cluster() {
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
