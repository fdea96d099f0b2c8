//! Further versions of the server: `scripts/servers` fetches some below `target/servers`, `REDIS_SERVERS` names others
//! (their binaries, separated by colons). Prints the versions that it ran on.

use std::path::Path;

use redlock::RestartGuard;
use tests::{Cluster, further_servers};

use crate::acl;
use crate::support::{KEY, LONG, contention, cycle, patient};

#[tokio::test]
async fn further_versions_of_the_server() {
    let servers = further_servers();
    let mut ran_on = Vec::new();
    for server in &servers {
        ran_on.push(everything(server).await);
    }
    match ran_on.as_slice() {
        [] => println!(
            "no further versions: scripts/servers fetches some, REDIS_SERVERS names others"
        ),
        ran_on => println!("ran on {}", ran_on.join(", ")),
    }
}

/// The operations that every kind of connection has to support, under each guard, on one version. Returns the version.
async fn everything(server: &Path) -> String {
    println!("{}", server.display());
    let cluster = Cluster::builder(3).server(server).start().await;
    let mut version = String::new();
    for guard in [RestartGuard::Observed, RestartGuard::Strict] {
        let builder = patient(cluster.urls()).restart_guard(guard);
        let one = builder.clone().connect().await.expect("three nodes");
        let other = builder.connect().await.expect("three nodes");
        one.trust_nodes().await.expect("three nodes");
        cycle(&one, &other, KEY).await;
        contention(&[one.clone(), other], "contended").await;
        // The script is not in the server's memory, so it is loaded within the call.
        for node in cluster.nodes() {
            let () = node.ask(redis::cmd("SCRIPT").arg("FLUSH")).await;
        }
        let guard = one.lock("again").ttl(LONG).no_wait().await.expect("free");
        guard.release().await.expect("released");
        version = one.health().await[0].version.clone();
    }
    let plain = patient(cluster.urls())
        .fencing(false)
        .connect()
        .await
        .expect("three nodes");
    let guard = plain.lock("plain").ttl(LONG).no_wait().await.expect("free");
    assert!(
        plain
            .lock("plain")
            .no_wait()
            .await
            .expect_err("held")
            .is_busy()
    );
    guard.extend().await.expect("held");
    guard.release().await.expect("released");

    acl::are_enough(&cluster).await;

    let info: String = cluster.node(0).ask(redis::cmd("INFO").arg("server")).await;
    let kind = if info.contains("server_name:valkey") {
        "Valkey"
    } else {
        "Redis"
    };
    assert!(info.contains(&version), "{version} is not in {info}");
    format!("{kind} {version}")
}
