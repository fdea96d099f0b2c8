//! Unique values come from the operating system, not from the state of a generator that can be copied.

use std::{collections::HashSet, process::Stdio, time::Duration};

use super::BOUND;
use redlock::{Redlock, memory};
use tests::{Cluster, eventually, within};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

#[tokio::test]
async fn f16_two_children_of_a_fork_exclude_each_other() {
    let cluster = Cluster::start(3).await;
    let mut forker = Command::new(env!("CARGO_BIN_EXE_forker"))
        .args([&cluster.urls().join(","), "forked"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program runs");
    let mut lines = BufReader::new(forker.stdout.take().expect("a pipe")).lines();
    let mut shared = Vec::new();
    let mut own = HashSet::new();
    for _ in 0..2 {
        let line = within(BOUND, lines.next_line())
            .await
            .expect("text")
            .expect("a line for each child");
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[0], "child", "{line}");
        shared.extend((words[1] != "none").then(|| words[1].to_owned()));
        own.insert(words[2].to_owned());
    }
    assert!(shared.len() < 2, "both hold the lock: {shared:?}");
    assert_eq!(own.len(), 2, "no owner is used twice: {own:?}");

    // Notifications go to one channel for each process.
    let node = cluster.node(0);
    eventually(BOUND, async || inboxes(node).await.len() == 2).await;
    drop(forker.stdin.take());
    within(BOUND, forker.wait()).await.expect("it ends");
}

async fn inboxes(node: &tests::Node) -> Vec<String> {
    let client = redis::Client::open(node.url()).expect("an address");
    let mut connection = client
        .get_multiplexed_async_connection()
        .await
        .expect("a connection");
    redis::cmd("PUBSUB")
        .arg("CHANNELS")
        .arg("*redlock:inbox:*")
        .query_async(&mut connection)
        .await
        .expect("channels")
}

#[tokio::test]
async fn f16_equal_random_generators_produce_different_owners() {
    let mut owners = HashSet::new();
    for _ in 0..2 {
        let redlock = Redlock::connect(memory::Nodes::seeded(3, 7).nodes())
            .await
            .expect("a quorum");
        for key in ["a", "b"] {
            let guard = redlock.lock(key).await.expect("free");
            owners.insert(guard.owner().to_owned());
            // The value of a cool-down is the owner of no client.
            guard
                .cool_down(Duration::from_secs(5))
                .await
                .expect("confirmed");
            let holder = redlock.holder(key).await.expect("a quorum");
            owners.insert(holder.expect("busy").owner);
        }
    }
    assert_eq!(owners.len(), 8, "{owners:?}");
}
