//! What nodes keep of readers: one alone as a string, several as a sorted set, each for its own ttl.

use std::{future::IntoFuture as _, time::Duration};

use redlock::{ErrorKind, Guard, Redlock};
use tests::{Cluster, eventually, within};

use crate::{SOON, client};

const KEY: &str = "{catalog}{}:rw:readers";
const SHORT: Duration = Duration::from_secs(8);
const LONG: Duration = Duration::from_secs(60);

async fn read(redlock: &Redlock, ttl: Duration) -> Guard {
    let read = redlock.rwlock("catalog").read().ttl(ttl).keep_alive(false);
    within(SOON, read.into_future())
        .await
        .expect("nobody writes")
}

async fn can_write(redlock: &Redlock) -> bool {
    let catalog = redlock.rwlock("catalog");
    catalog.try_write().await.expect("three nodes").is_some()
}

/// The types of the key on all nodes.
async fn kinds(cluster: &Cluster) -> Vec<String> {
    let mut kinds = Vec::new();
    for node in cluster.live() {
        kinds.push(node.ask(redis::cmd("TYPE").arg(KEY)).await);
    }
    kinds
}

#[tokio::test]
async fn readers_that_join_and_leave_shorten_no_lease() {
    let cluster = Cluster::start(3).await;
    let (one, other) = (client(&cluster).await, client(&cluster).await);
    for (first_ttl, second_ttl) in [(LONG, SHORT), (SHORT, LONG)] {
        let first = read(&one, first_ttl).await;
        eventually(SOON, async || kinds(&cluster).await == ["string"; 3]).await;
        let second = read(&other, second_ttl).await;
        eventually(SOON, async || kinds(&cluster).await == ["zset"; 3]).await;
        for node in cluster.live() {
            let left = node.pttl(KEY).await.expect("readers expire");
            assert!(left > LONG / 2, "{left:?}");
        }
        let seen = one.rwlock("catalog").holders().await.expect("three nodes");
        assert_eq!(seen.readers.len(), 2);
        let (short, long) = match first_ttl == SHORT {
            true => (first, second),
            false => (second, first),
        };
        // The short lease ends by itself, and the long one still keeps writers out.
        let over = async || {
            let seen = one.rwlock("catalog").holders().await.expect("three nodes");
            seen.readers.len() == 1
        };
        eventually(SOON, over).await;
        assert!(!can_write(&one).await);
        long.release().await.expect("three nodes");
        drop(short);
        eventually(SOON, async || kinds(&cluster).await == ["none"; 3]).await;
        assert!(can_write(&one).await);
    }
}

#[tokio::test]
async fn the_first_of_two_readers_extends_and_leaves_alone() {
    let cluster = Cluster::start(3).await;
    let (one, other) = (client(&cluster).await, client(&cluster).await);
    let first = read(&one, LONG).await;
    first.extend().await.expect("one reader");
    let second = read(&other, LONG).await;
    first.extend().await.expect("two readers");
    first.release().await.expect("three nodes");
    assert!(!can_write(&one).await, "one still reads");
    second.extend().await.expect("one is left");
    second.release().await.expect("three nodes");
    eventually(SOON, async || kinds(&cluster).await == ["none"; 3]).await;
}

/// A value of another program under the key of the readers is neither a reader nor ours to remove.
#[tokio::test]
async fn a_foreign_string_under_the_readers_is_told_and_stays() {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster).await;
    let long = "x".repeat(65);
    for value in ["theirs", &long] {
        for node in cluster.live() {
            let mut set = redis::cmd("SET");
            set.arg(KEY).arg(value);
            if value == long {
                set.arg("PX").arg(600_000);
            }
            let () = node.ask(&set).await;
        }
        let catalog = redlock.rwlock("catalog");
        let refused = catalog.try_read().await.expect_err("theirs");
        assert_eq!(refused.kind(), ErrorKind::NoQuorum, "{refused}");
        assert!(refused.to_string().contains("not a lock"), "{refused}");
        match catalog.try_write().await {
            Ok(held) => assert!(held.is_none() && value == long),
            Err(refused) => {
                assert!(refused.to_string().contains("not a lock"), "{refused}");
            }
        }
        for node in cluster.live() {
            let kept: String = node.ask(redis::cmd("GET").arg(KEY)).await;
            assert_eq!(kept, *value);
        }
    }
}

/// A client whose user lacks a right that only the second reader needs takes nothing away from the first one.
#[tokio::test]
async fn a_reader_stays_when_the_next_one_is_refused() {
    let cluster = Cluster::start(3).await;
    let (one, other) = (client(&cluster).await, client(&cluster).await);
    let first = read(&one, LONG).await;
    // The grant needs two nodes, and the third may be later.
    eventually(SOON, async || kinds(&cluster).await == ["string"; 3]).await;
    for right in ["zadd", "del", "time", "pexpire", "zremrangebyscore"] {
        let allow = async |sign: &str| {
            for node in cluster.live() {
                let mut acl = redis::cmd("ACL");
                acl.arg("SETUSER").arg("default");
                let () = node.ask(acl.arg(format!("{sign}{right}"))).await;
            }
        };
        allow("-").await;
        let second = other.rwlock("catalog").try_read().await;
        second.expect_err(right);
        allow("+").await;
        assert!(!can_write(&one).await, "without {right}");
        for node in cluster.live() {
            assert!(node.pttl(KEY).await.is_some(), "without {right}");
        }
    }
    first.release().await.expect("three nodes");
    eventually(SOON, async || can_write(&one).await).await;
}
