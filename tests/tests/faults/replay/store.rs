//! The replay store on a Redis server.

use redlock_tower::replay::{Begun, RedisStore, ReplayStore as _};
use tests::web::{DAY, SOON, redlock};
use tests::within;

async fn admin(cluster: &tests::Cluster) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(cluster.node(0).url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// Two hundred concurrent first requests share one connection, with the documented ACL rights.
#[tokio::test]
async fn f50_one_connection_with_the_documented_rights() {
    let cluster = tests::Cluster::start(1).await;
    let mut admin = admin(&cluster).await;
    let rights = "on >secret resetkeys ~shop:replay:* -@all +evalsha +script|load +hget +hmget +hset +pexpire";
    let mut create = redis::cmd("ACL");
    create.arg("SETUSER").arg("records");
    create.arg(rights.split(' ').collect::<Vec<_>>());
    create.query_async::<()>(&mut admin).await.unwrap();
    let connections = async |admin: &mut redis::aio::MultiplexedConnection| {
        let list: String = redis::cmd("CLIENT")
            .arg("LIST")
            .query_async(admin)
            .await
            .unwrap();
        list.lines()
            .filter(|line| line.contains("user=records"))
            .count()
    };

    let url = cluster
        .node(0)
        .url()
        .replace("redis://", "redis://records:secret@");
    let store = RedisStore::new(&url).unwrap();
    let guard = redlock().await.lock("k").await.unwrap();
    let token = guard.token();
    for _ in 0..2 {
        let cold = (0..200).map(|i| {
            let store = store.clone();
            tokio::spawn(async move { store.begin(&format!("shop:replay:{i}"), token, DAY).await })
        });
        for begun in cold.collect::<Vec<_>>() {
            assert_eq!(within(SOON, begun).await.unwrap().unwrap(), Begun::Fresh);
        }
        assert_eq!(connections(&mut admin).await, 1);
        assert!(
            store
                .finish("shop:replay:0", token, b"x".to_vec(), DAY)
                .await
                .unwrap()
        );
        assert!(
            store.begin("elsewhere", token, DAY).await.is_err(),
            "the user has no right to this key"
        );
        // The second round starts with a closed connection.
        let _: usize = redis::cmd("CLIENT")
            .arg(&["KILL", "USER", "records"])
            .query_async(&mut admin)
            .await
            .unwrap();
        let _: () = redis::cmd("FLUSHALL")
            .query_async(&mut admin)
            .await
            .unwrap();
    }
}

/// Addresses of stores have the syntax of node addresses. A user without its password is an error, and an invalid address is
/// not shown.
#[tokio::test]
async fn f50_an_invalid_address_is_an_error_that_does_not_show_it() {
    let cluster = tests::Cluster::start(1).await;
    let mut admin = admin(&cluster).await;
    let mut create = redis::cmd("ACL");
    create.arg(&["SETUSER", "records", "on", ">secret", "~*", "+@all"]);
    create.query_async::<()>(&mut admin).await.unwrap();
    let token = redlock().await.lock("k").await.unwrap().token();
    let url = |login: &str| {
        cluster
            .node(0)
            .url()
            .replace("redis://", &format!("redis://{login}"))
    };
    for (login, known) in [("records:secret@", true), ("records@", false), ("", true)] {
        let store = RedisStore::new(&url(login)).unwrap();
        let begun = within(SOON, store.begin("shop:replay:1", token, DAY)).await;
        assert_eq!(begun.is_ok(), known, "{login}: {begun:?}");
    }
    for mistyped in [
        "redis://:hun/ter2@h",
        "redis://:hun#ter2@h",
        "redis:/records:hunter2@h",
        "records:hunter2@h",
        "redis+cluster://h,i",
        "redis://h/two",
    ] {
        let error = RedisStore::new(mistyped).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("ter2"), "{shown}");
        assert!(shown.contains("redis://"), "{shown}");
    }
}
