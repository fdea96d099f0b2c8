//! A master that sentinels manage.

use std::time::Duration;

use crate::{Cluster, Node, eventually};

/// A bound for an agreement between servers.
const BOUND: Duration = Duration::from_secs(60);

/// A master, its replica, and three sentinels that monitor them.
#[derive(Debug)]
pub struct Managed {
    /// The master, and its replica.
    pub servers: Cluster,
    /// The sentinels.
    pub sentinels: Cluster,
}

impl Managed {
    /// Starts them, optionally with a password, and waits until the sentinels know each other and
    /// the replica.
    pub async fn start(password: Option<&str>) -> Self {
        let mut servers = Cluster::builder(2).arg(["--repl-diskless-sync-delay", "0"]);
        if let Some(password) = password {
            servers = servers.password(password).arg(["--masterauth", password]);
        }
        let servers = servers.start().await;
        let port = servers.node(0).port();
        let () = servers
            .node(1)
            .ask(redis::cmd("REPLICAOF").arg("127.0.0.1").arg(port))
            .await;
        eventually(BOUND, async || {
            let info: String = servers
                .node(1)
                .ask(redis::cmd("INFO").arg("replication"))
                .await;
            info.contains("master_link_status:up")
        })
        .await;
        let mut config = format!(
            "sentinel monitor shop 127.0.0.1 {port} 2\n\
             sentinel down-after-milliseconds shop 500\n\
             sentinel failover-timeout shop 5000\n"
        );
        if let Some(password) = password {
            config += &format!("sentinel auth-pass shop {password}\n");
        }
        let sentinels = Cluster::builder(3)
            .config(&config)
            .arg(["--sentinel"])
            .start()
            .await;
        let managed = Self { servers, sentinels };
        for sentinel in managed.sentinels.nodes() {
            eventually(BOUND, async || {
                let about: std::collections::HashMap<String, String> = sentinel
                    .ask(redis::cmd("SENTINEL").arg("MASTER").arg("shop"))
                    .await;
                about["num-other-sentinels"] == "2" && about["num-slaves"] == "1"
            })
            .await;
        }
        managed
    }

    /// The address, by all sentinels.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_with("")
    }

    /// The same with a login.
    #[must_use]
    pub fn url_with(&self, login: &str) -> String {
        let hosts: Vec<String> = self
            .sentinels
            .nodes()
            .iter()
            .map(|node| node.address().to_string())
            .collect();
        format!("redis+sentinel://{login}{}/shop", hosts.join(","))
    }

    /// The first master.
    #[must_use]
    pub fn master(&self) -> &Node {
        self.servers.node(0)
    }

    /// Its replica.
    #[must_use]
    pub fn replica(&self) -> &Node {
        self.servers.node(1)
    }
}
