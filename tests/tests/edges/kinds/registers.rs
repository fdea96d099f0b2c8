//! Foreign data under the key of a register: a clear error for it, and nothing for anybody else.

use redlock::{FaultKind, Redlock};
use tests::{
    Cluster, eventually,
    proxy::{Flow, Proxy},
};

use crate::SOON;

async fn client(proxies: &[Proxy]) -> Redlock {
    let builder = Redlock::builder().nodes(proxies.iter().map(Proxy::url));
    let builder = builder.node_timeout(std::time::Duration::from_secs(2));
    let redlock = builder.connect().await.expect("three nodes");
    redlock.trust_nodes().await.expect("three nodes");
    redlock
}

/// The key that has the register of `import`.
async fn register_of_import(cluster: &Cluster, redlock: &Redlock) -> String {
    let guard = redlock.lock("import").await.expect("free");
    let before = cluster.node(0).keys().await;
    guard.write("page 1").await.expect("three nodes");
    let mut key = None;
    eventually(SOON, async || {
        let keys = cluster.node(0).keys().await;
        key = keys.into_iter().find(|key| !before.contains(key));
        key.is_some()
    })
    .await;
    guard.release().await.expect("three nodes");
    key.expect("a register")
}

#[tokio::test]
async fn foreign_data_in_a_register_harms_nobody_else() {
    let cluster = Cluster::start(3).await;
    let proxies = Proxy::before_all(&cluster).await;
    for proxy in &proxies {
        proxy.set_both(Flow::PASS);
    }
    let redlock = client(&proxies).await;
    let key = register_of_import(&cluster, &redlock).await;
    let accepted = || proxies.iter().map(Proxy::accepted).sum::<usize>();
    let before = accepted();
    let many = "7".repeat(2_000_000);
    let records = [
        String::new(),
        "page 2".to_owned(),
        many.clone(),
        format!("1 1 1 {many} +page 2"),
        format!("1 1 1 9999999999999 +{many}"),
        format!("{many} 1 1 9999999999999 +page 2"),
        "9007199254740993 9007199254740993 1 1 -".to_owned(),
        "1 18446744073709551616 1 9999999999999 +".to_owned(),
    ];
    for record in records {
        for node in cluster.nodes() {
            let mut set = redis::cmd("SET");
            set.arg(&key).arg(&record).arg("PX").arg(50_000);
            let () = node.ask(&set).await;
        }
        let guard = redlock.lock("import").await.expect("free");
        for outcome in [
            redlock.read("import").await.map(drop),
            guard.read().await.map(drop),
            guard.write("page 3").await,
        ] {
            if let Err(error) = outcome {
                let text = format!("{error} {error:?}");
                assert!(text.len() < 5_000, "{} bytes", text.len());
            }
        }
        assert!(!guard.is_lost());
        guard.release().await.expect("three nodes");
        let other = redlock.lock("other").await.expect("free");
        other.release().await.expect("three nodes");
    }
    assert_eq!(accepted(), before, "connections were torn down");
    for node in cluster.nodes() {
        let _: u64 = node.ask(redis::cmd("DEL").arg(&key)).await;
        let _: u64 = node
            .ask(redis::cmd("HSET").arg(&key).arg("page").arg(2))
            .await;
    }
    let error = redlock.read("import").await.expect_err("a hash");
    let kinds = error.node_errors().iter().map(redlock::NodeError::kind);
    assert!(
        kinds.clone().all(|kind| kind == FaultKind::WrongType),
        "{error}"
    );
    let guard = redlock.lock("import").await.expect("free");
    guard.write("page 3").await.expect_err("a hash");
    let fields: u64 = cluster.node(0).ask(redis::cmd("HLEN").arg(&key)).await;
    assert_eq!(fields, 1, "it is the user's");
    guard.release().await.expect("three nodes");
}
