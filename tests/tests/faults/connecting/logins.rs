//! F10, F11, F71: the user of a connection, refused logins, and sentinels that require a password.

use std::time::Duration;

use redlock::{Builder, Error, FaultKind, Redlock, RestartGuard};
use tests::sharded::{OF_SHARD, Sharded};
use tests::{Cluster, Node, eventually};

use super::authority::Authority;

const SOON: Duration = Duration::from_secs(10);
const KEY: &str = "invoice:42";

/// Time for handshakes on a busy machine: these tests are not about time.
fn patient(node: impl Into<String>) -> Builder {
    Redlock::builder()
        .node(node.into())
        .node_timeout(Duration::from_secs(2))
        .restart_guard(RestartGuard::Off)
}

async fn acl(node: &Node, user: &[&str]) {
    let mut command = redis::cmd("ACL");
    command.arg("SETUSER").arg(user);
    let () = node.ask(&command).await;
}

/// The users that are logged in to `node`, without that of the inspecting connection.
async fn users(node: &Node) -> Vec<String> {
    let clients: String = node.ask(redis::cmd("CLIENT").arg("LIST")).await;
    let clients = clients
        .lines()
        .filter(|line| line.contains("lib-name=redlock") || line.contains("sub=1"));
    let user = |line: &str| {
        let (_, rest) = line.split_once(" user=").expect("a user");
        rest.split(' ').next().unwrap_or_default().to_owned()
    };
    clients.map(user).collect()
}

fn kind(error: &Error) -> FaultKind {
    assert!(error.is_no_quorum(), "{error}");
    error.node_errors()[0].kind()
}

async fn works(builder: Builder) -> Redlock {
    let redlock = builder.connect().await.expect("let in");
    let guard = redlock.lock(KEY).await.expect("free");
    guard.release().await.expect("released");
    redlock
}

#[tokio::test]
async fn f10_a_user_without_a_password_is_that_user() {
    let cluster = Cluster::start(1).await;
    let node = cluster.node(0);
    acl(node, &["locker", "on", "nopass", "~*", "&*", "+@all"]).await;
    acl(node, &["guarded", "on", ">s3cret", "~*", "&*", "+@all"]).await;
    let socket = |user: &str| format!("redis://{user}@{}", node.address());

    let redlock = works(patient(socket("locker"))).await;
    assert_eq!(users(node).await, ["locker"]);
    drop(redlock);
    eventually(SOON, async || users(node).await.is_empty()).await;
    for user in ["guarded", "nobody"] {
        let error = patient(socket(user))
            .connect()
            .await
            .expect_err("a password is missing");
        assert_eq!(kind(&error), FaultKind::Authentication, "{error}");
        assert!(users(node).await.is_empty(), "logged in as another");
    }
    // The builder has the rest of the login, or all of it.
    drop(works(patient(socket("guarded")).password("s3cret")).await);
    let plain = format!("redis://{}", node.address());
    drop(
        works(
            patient(plain.as_str())
                .username("guarded")
                .password("s3cret"),
        )
        .await,
    );
    let error = patient(plain).username("guarded").connect().await;
    assert_eq!(
        kind(&error.expect_err("no password")),
        FaultKind::Authentication
    );
}

#[tokio::test]
async fn f10_a_user_without_a_password_over_a_unix_socket() {
    let cluster = Cluster::builder(1).unix_sockets().start().await;
    let node = cluster.node(0);
    acl(node, &["locker", "on", "nopass", "~*", "&*", "+@all"]).await;
    let _redlock = works(patient(format!("{}?user=locker", cluster.urls()[0]))).await;
    assert_eq!(users(node).await, ["locker"]);
}

/// F59: a password in the builder needs no encoding.
#[tokio::test]
async fn f59_any_password_by_the_builder() {
    for password in ["p@ss/w#rd", "%41?x=1&y", ":", "100%"] {
        let cluster = Cluster::start(1).await;
        let node = cluster.node(0);
        let with = format!(">{password}");
        acl(node, &["locker", "on", &with, "~*", "&*", "+@all"]).await;
        let builder = patient(format!("redis://locker@{}", node.address())).password(password);
        assert!(password.len() == 1 || !format!("{builder:?}").contains(password));
        works(builder).await;
    }
}

#[tokio::test]
async fn f11_too_many_clients() {
    let cluster = Cluster::builder(1).arg(["--maxclients", "3"]).start().await;
    let node = cluster.node(0);
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(
            tokio::net::TcpStream::connect(node.address())
                .await
                .expect("accepted"),
        );
    }
    for login in ["", ":s3cret@", "locker:s3cret@"] {
        let error = patient(format!("redis://{login}{}", node.address()))
            .connect()
            .await
            .expect_err("full");
        assert_eq!(kind(&error), FaultKind::TooManyClients, "{error}");
    }
}

#[tokio::test]
async fn f11_servers_without_a_required_command() {
    // Without INFO it works: `access/refusals.rs`.
    for (command, says) in [("HELLO", "HELLO"), ("EVAL", "EVAL")] {
        let server = Cluster::builder(1).arg(["--rename-command", command, ""]);
        let cluster = server.start().await;
        for login in ["", ":s3cret@"] {
            let redlock = patient(format!("redis://{login}{}", cluster.node(0).address()))
                .connect_lazy()
                .expect("an address");
            let error = redlock.try_lock(KEY).await.expect_err("too little");
            assert_eq!(kind(&error), FaultKind::Unsupported, "{error}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}

/// A server of a cluster with the address of a single server: the error says what to write instead.
#[tokio::test]
async fn f11_a_server_of_a_cluster() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let address = format!("redis://{}", sharded.shard(0).address());
    let redlock = patient(address).connect().await.expect("it answers");
    let error = redlock.try_lock(OF_SHARD[1]).await.expect_err("another's");
    assert_eq!(kind(&error), FaultKind::Moved, "{error}");
    assert!(error.to_string().contains("redis+cluster://"), "{error}");
}

#[tokio::test]
async fn f11_wrong_logins_and_missing_rights_and_full_memory() {
    let cluster = Cluster::builder(1).password("s3cret").start().await;
    let node = cluster.node(0);
    for login in ["", ":wr0ng@", "nobody:s3cret@", "default@"] {
        let error = patient(format!("redis://{login}{}", node.address()))
            .connect()
            .await
            .expect_err("not let in");
        assert_eq!(kind(&error), FaultKind::Authentication, "{login}: {error}");
    }
    // A name that is also the word for full memory.
    acl(
        node,
        &["OOM", "on", ">p", "~*", "&*", "+@all", "-evalsha", "-eval"],
    )
    .await;
    let redlock = patient(format!("redis://OOM:p@{}", node.address()))
        .connect()
        .await
        .expect("let in");
    let error = redlock.try_lock(KEY).await.expect_err("no rights");
    assert_eq!(kind(&error), FaultKind::Permission, "{error}");
}

/// A master and a sentinel that monitors it and requires a password.
async fn sentinel(master: &Node, more: &str) -> Cluster {
    let config = format!(
        "sentinel monitor shop 127.0.0.1 {} 1\n{more}",
        master.port()
    );
    Cluster::builder(1)
        .config(&config)
        .arg(["--sentinel"])
        .password("sesame")
        .start()
        .await
}

#[tokio::test]
async fn f71_sentinels_with_a_password() {
    let servers = Cluster::builder(1).password("s3cret").start().await;
    let sentinels = sentinel(servers.node(0), "sentinel auth-pass shop s3cret\n").await;
    let hosts = sentinels.node(0).address();
    let address = format!("redis+sentinel://:s3cret@{hosts}/shop");
    works(patient(format!("{address}?sentinel_password=sesame"))).await;
    works(patient(address.as_str()).sentinel_password("sesame")).await;
    works(
        patient(format!("redis+sentinel://{hosts}/shop"))
            .password("s3cret")
            .sentinel_password("sesame"),
    )
    .await;
    for (builder, says) in [
        (patient(address.as_str()), "NOAUTH"),
        (
            patient(format!("{address}?sentinel_password=wr0ng")),
            "WRONGPASS",
        ),
    ] {
        let error = builder.connect().await.expect_err("not let in");
        let cause = error.node_errors()[0].cause();
        assert_eq!(kind(&error), FaultKind::Authentication, "{error}");
        assert!(
            cause.contains("sentinel") && cause.contains(says),
            "{error}"
        );
        assert!(!format!("{error} {error:?}").contains("wr0ng"), "{error}");
    }
}

#[tokio::test]
async fn f71_sentinels_with_users_of_their_own() {
    let servers = Cluster::start(1).await;
    let sentinels = sentinel(servers.node(0), "").await;
    acl(
        sentinels.node(0),
        &["watch", "on", ">w0rd", "~*", "&*", "+@all"],
    )
    .await;
    let hosts = sentinels.node(0).address();
    let address = format!("redis+sentinel://{hosts}/shop");
    works(patient(format!(
        "{address}?sentinel_username=watch&sentinel_password=w0rd"
    )))
    .await;
    works(
        patient(address)
            .sentinel_username("watch")
            .sentinel_password("w0rd"),
    )
    .await;
}

/// Sentinels without TLS for a master with TLS.
#[tokio::test]
async fn f71_sentinels_with_another_transport_than_the_master() {
    let authority = Authority::new("ours");
    let (servers, _dir) = authority.certify(Cluster::builder(1), "no");
    if servers.lacks().await.is_some() {
        return;
    }
    let cluster = servers.start().await;
    let node = cluster.node(0);
    let config = format!(
        "sentinel monitor shop 127.0.0.1 {} 1\n",
        node.port_for("--tls-port")
    );
    let sentinels = Cluster::builder(1)
        .config(&config)
        .arg(["--sentinel"])
        .start()
        .await;
    let address = sentinels.node(0).address();
    works(
        patient(format!(
            "rediss+sentinel://{address}/shop?sentinel_tls=false"
        ))
        .root_certificate(authority.pem.as_str()),
    )
    .await;
}
#[tokio::test]
async fn f71_an_error_for_the_wrong_scheme_names_tls() {
    let authority = Authority::new("ours");
    let (servers, _dir) = authority.certify(Cluster::builder(1), "no");
    if servers.lacks().await.is_some() {
        return;
    }
    let cluster = servers.start().await;
    let node = cluster.node(0);
    let (plain, tls) = (node.port(), node.port_for("--tls-port"));
    for (address, remedy) in [
        (format!("rediss://127.0.0.1:{plain}"), "redis://"),
        (format!("rediss+cluster://127.0.0.1:{plain}"), "redis"),
        (format!("redis://127.0.0.1:{tls}"), "rediss://"),
        (format!("redis://:s3cret@127.0.0.1:{tls}"), "rediss://"),
        (format!("redis+cluster://127.0.0.1:{tls}"), "rediss"),
        (format!("redis+sentinel://127.0.0.1:{tls}/shop"), "rediss"),
    ] {
        let error = patient(address.as_str())
            .node_timeout(Duration::from_millis(500))
            .root_certificate(authority.pem.as_str())
            .connect()
            .await
            .expect_err("the other protocol");
        let cause = error.node_errors()[0].cause();
        assert!(cause.contains("TLS"), "{address}: {error}");
        assert!(cause.contains(remedy), "{address}: {error}");
    }
}
