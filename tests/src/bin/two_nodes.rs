//! Starts two nodes, one of them paused, prints their pids, and waits to be killed: for the tests of the fixture.

use std::time::Duration;

use tests::Cluster;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let cluster = Cluster::start(2).await;
    cluster.node(1).pause();
    let pids = cluster.nodes().iter().filter_map(tests::Node::pid);
    let pids: Vec<_> = pids.map(|pid| pid.to_string()).collect();
    println!("pids {}", pids.join(" "));
    tokio::time::sleep(Duration::from_secs(60)).await;
}
