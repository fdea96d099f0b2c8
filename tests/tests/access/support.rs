//! Users on all nodes of a cluster, and the connections of a user.

use std::time::Duration;

use redlock::{Builder, Redlock};
use tests::{Cluster, Node};

/// A bound for a few round trips, on a busy machine.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// A client whose node time-out leaves time for a busy machine.
pub(crate) fn patient(cluster: &Cluster) -> Builder {
    let nodes = cluster.nodes().iter();
    Redlock::builder()
        .nodes(nodes.map(|node| format!("redis://{}", node.address())))
        .node_timeout(Duration::from_secs(2))
}

/// Changes a user on all nodes. A new one may do everything.
pub(crate) async fn user(cluster: &Cluster, name: &str, rules: &[&str]) {
    for node in cluster.nodes() {
        let mut command = redis::cmd("ACL");
        command.arg("SETUSER").arg(name);
        command.arg(&["on", "~*", "&*", "+@all"]).arg(rules);
        let () = node.ask(&command).await;
    }
}

/// The ids of the connections of a user.
pub(crate) async fn connections(node: &Node, user: &str) -> Vec<u64> {
    let list: String = node.ask(redis::cmd("CLIENT").arg("LIST")).await;
    let user = format!("user={user}");
    let of_user = list
        .lines()
        .filter(|line| line.split(' ').any(|word| word == user));
    let ids = of_user.map(|line| {
        let id = line.split(' ').find_map(|word| word.strip_prefix("id="));
        id.and_then(|id| id.parse().ok()).expect("an id")
    });
    ids.collect()
}

/// The connections of a user, one on each node.
pub(crate) async fn one_each(cluster: &Cluster, user: &str) -> Option<Vec<u64>> {
    let mut all = Vec::new();
    for node in cluster.nodes() {
        match connections(node, user).await.as_slice() {
            [id] => all.push(*id),
            _ => return None,
        }
    }
    Some(all)
}
