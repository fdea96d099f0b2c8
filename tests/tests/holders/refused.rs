//! The token of a holder, after another request was refused.

use redis::cmd;
use tests::Cluster;

use crate::labelled;

const KEY: &str = "stock";

/// A refused request raises the fence of nodes whose votes it does not know when it rolls back.
#[tokio::test]
async fn the_token_is_the_holders_although_a_refused_request_raised_a_fence() {
    let cluster = Cluster::start(3).await;
    let (one, two) = (
        labelled(&cluster, "one").await,
        labelled(&cluster, "two").await,
    );
    let guard = one.lock(KEY).await.expect("free");
    let token = guard.token().get();
    let fence = format!("{{{KEY}}}{{}}:fence");
    let node = cluster.node(0);
    assert_eq!(node.get(&fence).await, Some(token.to_string()));
    let raised = cmd("SET").arg(&fence).arg(token + 1000).to_owned();
    node.ask::<String>(&raised).await;
    // Each look ends with the first answers that decide, which are those of any two nodes.
    for _ in 0..20 {
        let holder = two.holder(KEY).await.expect("three nodes").expect("held");
        assert_eq!((holder.label(), holder.token), (Some("one"), guard.token()));
    }
    guard.release().await.expect("held");
}
