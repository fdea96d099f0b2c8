//! The contract of every replay store.

use redlock::FencingToken;
use redlock_tower::replay::{Begun, MemoryStore, RedisStore, ReplayStore};
use std::time::Duration;
use tests::web::{DAY, SOON, locks};
use tests::{eventually, within};

/// Three tokens of one key, in order.
async fn tokens() -> [FencingToken; 3] {
    let (_cluster, redlock) = locks().await;
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let guard = redlock.lock("k").await.unwrap();
        tokens.push(guard.token());
        guard.release().await.unwrap();
    }
    tokens.try_into().unwrap()
}

/// The contract of a store.
async fn a_store_is_guarded_by_tokens(store: impl ReplayStore, ttl: Duration) {
    let [first, second, third] = tokens().await;
    // A paused holder resumes after the next one has begun, and after it has finished.
    assert_eq!(store.begin("a", first, DAY).await.unwrap(), Begun::Fresh);
    assert_eq!(store.begin("a", second, DAY).await.unwrap(), Begun::Fresh);
    assert!(
        !store
            .finish("a", first, b"late".to_vec(), DAY)
            .await
            .unwrap()
    );
    assert_eq!(store.begin("a", first, DAY).await.unwrap(), Begun::Stale);
    assert!(
        store
            .finish("a", second, b"record".to_vec(), DAY)
            .await
            .unwrap()
    );
    assert!(
        !store
            .finish("a", first, b"late".to_vec(), DAY)
            .await
            .unwrap()
    );
    assert_eq!(
        store.begin("a", third, DAY).await.unwrap(),
        Begun::Recorded(b"record".to_vec())
    );
    // Without a marker nothing is stored.
    assert!(!store.finish("b", first, b"x".to_vec(), DAY).await.unwrap());
    // A record expires.
    assert_eq!(store.begin("c", first, DAY).await.unwrap(), Begun::Fresh);
    assert!(
        store
            .finish("c", first, b"\x00\xff".to_vec(), ttl)
            .await
            .unwrap()
    );
    assert_eq!(
        store.begin("c", second, ttl).await.unwrap(),
        Begun::Recorded(b"\x00\xff".to_vec())
    );
    eventually(SOON, async || {
        store.begin("c", third, ttl).await.unwrap() == Begun::Fresh
    })
    .await;
}

#[tokio::test]
async fn the_memory_store_is_guarded_by_tokens() {
    a_store_is_guarded_by_tokens(MemoryStore::new(), Duration::from_millis(100)).await;
}

#[tokio::test]
async fn the_redis_store_is_guarded_by_tokens_and_reconnects() {
    let cluster = tests::Cluster::start(1).await;
    let store = RedisStore::new(&cluster.node(0).url()).unwrap();
    a_store_is_guarded_by_tokens(store.clone(), Duration::from_millis(100)).await;

    let [first, ..] = tokens().await;
    cluster.node(0).kill();
    assert!(within(SOON, store.begin("d", first, DAY)).await.is_err());
    cluster.node(0).start().await;
    assert_eq!(store.begin("d", first, DAY).await.unwrap(), Begun::Fresh);
    cluster.node(0).restart_empty().await;
    assert_eq!(
        store.begin("d", first, DAY).await.unwrap(),
        Begun::Fresh,
        "reconnects by itself"
    );
    cluster.node(0).pause();
    assert!(
        within(SOON, store.begin("d", first, DAY)).await.is_err(),
        "bounded"
    );
    cluster.node(0).resume();
}

#[tokio::test]
async fn the_memory_store_is_bounded() {
    let store = MemoryStore::with_capacity(10_000);
    let [token, ..] = tokens().await;
    for key in 0..1000 {
        let key = format!("key {key}");
        assert_eq!(store.begin(&key, token, DAY).await.unwrap(), Begun::Fresh);
        store.finish(&key, token, vec![0; 500], DAY).await.unwrap();
    }
    let shown = format!("{store:?}");
    let bytes: usize = shown
        .rsplit("bytes: ")
        .next()
        .unwrap()
        .trim_end_matches([' ', '}'])
        .parse()
        .unwrap();
    assert!(bytes <= 10_000, "{shown}");
    assert_eq!(
        store.begin("key 999", token, DAY).await.unwrap(),
        Begun::Recorded(vec![0; 500])
    );
}
