//! N4: a holder is paused for longer than its ttl, and writes afterwards.

use tests::Cluster;

use crate::child::Worker;
use crate::support::{BOUND, KEY, LONG, connect};

/// A resource behind the lock: it keeps the token of the last write, and refuses older ones.
struct Store(Cluster);

impl Store {
    async fn write(&self, token: u64, value: &str) -> bool {
        let script =
            "if tonumber(ARGV[1]) < tonumber(redis.call('GET', 'token') or '0') then return 0 end
            redis.call('SET', 'token', ARGV[1])
            redis.call('SET', 'value', ARGV[2])
            return 1";
        self.0
            .node(0)
            .ask(
                redis::cmd("EVAL")
                    .arg(script)
                    .arg(0)
                    .arg(token.to_string())
                    .arg(value),
            )
            .await
    }

    async fn value(&self) -> Option<String> {
        self.0.node(0).get("value").await
    }
}

#[tokio::test]
async fn n4_a_paused_holders_token_is_refused_by_the_store() {
    let cluster = Cluster::start(3).await;
    let store = Store(Cluster::start(1).await);
    let mut holder = Worker::start("hold", &cluster, &["1000"]);
    let old: u64 = holder.line("held").await.parse().expect("a token");
    assert!(store.write(old, "by the holder").await);
    holder.pause();

    let redlock = connect(&cluster).await;
    let guard = redlock
        .lock(KEY)
        .ttl(LONG)
        .wait(BOUND)
        .await
        .expect("expired");
    assert!(guard.token().get() > old);
    assert!(store.write(guard.token().get(), "by the next").await);

    // The holder continues in the middle of its work, and writes without checking its guard.
    holder.resume();
    assert!(
        !store.write(old, "by the old holder").await,
        "an old token was accepted"
    );
    assert_eq!(store.value().await.as_deref(), Some("by the next"));
    assert!(store.write(guard.token().get(), "by the next again").await);
    // Its guard would have reported the loss.
    holder.say("look").await;
    assert!(holder.line("look").await.starts_with("lost"));
}
