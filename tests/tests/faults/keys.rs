//! Keys: different names share nothing, and no name is special.

use std::{collections::BTreeSet, time::Duration};

use redlock::{Redlock, memory, redlock};
use tests::Cluster;

const LONG: Duration = Duration::from_secs(50);

/// Names that are similar to each other, and to the further keys of a lock.
const NAMES: [&str; 12] = [
    "a",
    "{a}",
    "a:fence",
    "{a}:fence",
    "{a}:fence:fence",
    "a:waiters",
    "{a}:waiters",
    "{a:fence}",
    "a:fence:fence",
    "fence",
    ":fence",
    "product:waiters",
];

/// All are held at the same time, and each leaves keys of its own.
async fn assert_apart(redlock: &Redlock, other: &Redlock) -> usize {
    let mut guards = Vec::new();
    for name in NAMES {
        let guard = redlock.lock(name).ttl(LONG).no_wait().await;
        guards.push(guard.unwrap_or_else(|error| panic!("{name}: {error}")));
    }
    for (name, guard) in NAMES.iter().zip(&guards) {
        let holder = other.holder(*name).await.expect("up").expect("held");
        assert_eq!(holder.owner, guard.owner(), "{name}");
        assert_eq!(holder.token, guard.token(), "{name}");
        assert!(other.try_lock(*name).await.expect("up").is_none(), "{name}");
    }
    for guard in guards {
        guard.extend().await.expect("held");
        guard.release().await.expect("released");
    }
    NAMES.len()
}

#[tokio::test]
async fn f23_no_name_is_special_and_f38_different_names_share_nothing() {
    let cluster = Cluster::start(3).await;
    let one = Redlock::connect(cluster.urls()).await.expect("all up");
    let other = Redlock::connect(cluster.urls()).await.expect("all up");
    let names = assert_apart(&one, &other).await;
    // The fences are left, one for each name.
    tests::eventually(LONG, async || cluster.node(0).keys().await.len() == names).await;
    let fences: BTreeSet<String> = cluster.node(0).keys().await.into_iter().collect();
    assert!(
        NAMES.iter().all(|name| !fences.contains(*name)),
        "{fences:?}"
    );
}

#[tokio::test]
async fn f23_no_name_is_special_on_nodes_in_memory() {
    let nodes = memory::Nodes::new(3);
    let one = Redlock::connect(nodes.nodes()).await.expect("all up");
    let other = Redlock::connect(nodes.nodes()).await.expect("all up");
    assert_apart(&one, &other).await;
}

/// None of the keys that a lock leaves on a server can be locked by its name.
#[tokio::test]
async fn f23_no_companion_key_can_be_locked() {
    let cluster = Cluster::start(3).await;
    let one = Redlock::connect(cluster.urls()).await.expect("all up");
    let other = Redlock::connect(cluster.urls()).await.expect("all up");
    for name in ["order:42", "{order}:42", "order{42}", "{order:42}"] {
        let before = cluster.node(0).keys().await;
        let guard = one.lock(name).ttl(LONG).await.expect("free");
        let waiting = {
            let other = other.clone();
            tokio::spawn(async move { other.lock(name).wait(LONG).await })
        };
        // The lock, its fence, its waitlist.
        let new = async || {
            let keys = cluster.node(0).keys().await;
            let new = keys.into_iter().filter(|key| !before.contains(key));
            new.collect::<Vec<_>>()
        };
        tests::eventually(LONG, async || new().await.len() >= 3).await;
        for key in new().await {
            let asked = one.lock(key.as_str()).no_wait().await;
            let error = asked.expect_err("the lock itself, or no key");
            assert!(error.is_invalid() || key == name, "{key}: {error}");
        }
        guard.release().await.expect("released");
        let turn = waiting.await.expect("no panic").expect("a turn");
        turn.release().await.expect("released");
    }
}

/// F38: a release of one lock notifies its own waiter and leaves that of the other in its place.
#[tokio::test]
async fn f38_a_release_wakes_no_waiter_of_another_name() {
    let cluster = Cluster::start(3).await;
    let one = Redlock::connect(cluster.urls()).await.expect("all up");
    let other = Redlock::connect(cluster.urls()).await.expect("all up");
    let plain = one.lock("a").ttl(LONG).await.expect("free");
    let tagged = one.lock("{a}").ttl(LONG).await.expect("free");
    let [first, second] = ["a", "{a}"].map(|name| {
        let other = other.clone();
        tokio::spawn(async move { other.lock(name).ttl(LONG).wait(LONG).await })
    });
    // Each has its own waitlist.
    let lists = async || {
        let keys = cluster.node(0).keys().await;
        keys.iter().filter(|key| key.ends_with(":waiters")).count()
    };
    tests::eventually(LONG, async || lists().await == 2).await;
    plain.release().await.expect("released");
    let turn = first.await.expect("no panic").expect("a turn");
    assert_eq!(lists().await, 1, "the other one still waits in its place");
    tagged.release().await.expect("released");
    second
        .await
        .expect("no panic")
        .expect("a turn")
        .release()
        .await
        .expect("up");
    turn.release().await.expect("released");
}

/// Tokens are counted per name: a fence far ahead of one does not affect another.
#[tokio::test]
async fn f38_a_fence_belongs_to_one_name() {
    let cluster = Cluster::start(1).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("up");
    let guard = redlock.lock("a").await.expect("free");
    let token = guard.token();
    guard.release().await.expect("released");
    let fence = cluster.node(0).keys().await.pop().expect("the fence");
    let mut far = redis::cmd("SET");
    far.arg(&fence).arg(token.get() + 3_600_000_000);
    let () = cluster.node(0).ask(&far).await;
    let near = redlock.lock("{a}").await.expect("free").token();
    assert!(near.get() < token.get() + 3_600_000_000, "{near}");
}

#[redlock(key = "{{product}}:{slug}", ttl = "10s", lock = locks)]
async fn tagged(locks: &Redlock, slug: &str) -> redlock::Result<String> {
    Ok(slug.to_owned())
}

#[redlock(key = "product:{slug}", ttl = "10s", lock = locks)]
async fn plain(locks: &Redlock, slug: &str) -> redlock::Result<String> {
    Ok(slug.to_owned())
}

#[redlock(key = "product:fence", ttl = "10s", lock = locks)]
async fn named(locks: &Redlock) -> redlock::Result<u8> {
    Ok(7)
}

#[tokio::test]
async fn f23_any_value_of_a_key_part_is_accepted() {
    let nodes = memory::Nodes::new(3);
    let locks = Redlock::connect(nodes.nodes()).await.expect("all up");
    for slug in [
        "fence", "waiters", "{}", "{a}", "", ":fence", "{}:fence", "a}{b",
    ] {
        for value in [tagged(&locks, slug).await, plain(&locks, slug).await] {
            assert_eq!(value.expect(slug), slug);
        }
    }
    assert_eq!(named(&locks).await.expect("a fine key"), 7);
}
