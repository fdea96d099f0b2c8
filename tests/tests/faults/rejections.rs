//! The reason and `Retry-After` of rejections.

use std::time::Duration;

use redlock::{Redlock, memory};
use redlock_tower::{Reason, RedlockLayer, key};
use tests::web::{Answer, Orders, SOON, connect, locks, order, send};
use tests::{Cluster, within};

/// `Retry-After` of a duplicate, before and after the layer has measured a hold.
async fn retry_after(redlock: Redlock) -> [Option<u64>; 2] {
    let orders = Orders::blocked();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id")).no_wait();
    let app = orders.route().layer(layer);
    let mut retry_after = [None; 2];
    for retry_after in &mut retry_after {
        // The second one starts while the first one acquires the lock, or right after.
        let second = async {
            let second = send(&app, order("ann")).await;
            orders.unblock(1);
            second
        };
        let both = async { tokio::join!(send(&app, order("ann")), second) };
        let (first, second) = within(SOON, both).await;
        assert_eq!(first.status, 201, "{first:?}");
        assert_eq!(second.reason(), Some(Reason::Busy), "{second:?}");
        *retry_after = second.retry_after();
    }
    retry_after
}

#[tokio::test]
async fn f57_retry_after_is_the_same_with_memory_nodes_and_servers() {
    let servers = Cluster::start(3).await;
    let real = retry_after(Redlock::connect(servers.urls()).await.unwrap()).await;
    let nodes = memory::Nodes::new(3);
    let memory = retry_after(connect(&nodes).await).await;
    assert_eq!(real, memory);
    // The rest of the lease, some 10 s, says nothing about the work.
    assert_eq!(memory, [Some(1), Some(1)]);
}

#[tokio::test]
async fn f20_a_cool_down_rejects_requests_that_wait() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let app = |redlock| {
        let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
            .wait(SOON)
            .dedupe_for(Duration::from_secs(600));
        orders.route().layer(layer)
    };
    let (here, elsewhere) = (app(redlock), app(connect(&cluster).await));
    let submit = |app| send(app, order("ann"));
    let unblock = async {
        // Let all three wait for the lock.
        tokio::time::sleep(Duration::from_millis(100)).await;
        orders.unblock(1);
    };
    let all = async { tokio::join!(submit(&here), submit(&here), submit(&elsewhere), unblock) };
    let (a, b, c, ()) = within(SOON, all).await;
    let (served, rejected): (Vec<Answer>, Vec<_>) = [a, b, c]
        .into_iter()
        .partition(|answer| answer.status == 201);
    assert_eq!(served.len(), 1);
    for answer in rejected.into_iter().chain([submit(&elsewhere).await]) {
        assert_eq!(
            (answer.status, answer.reason()),
            (409, Some(Reason::Answered))
        );
        let left = answer.retry_after();
        assert!(
            left.is_some_and(|left| (590..=600).contains(&left)),
            "{left:?}"
        );
        let problem = answer.json();
        assert_eq!(problem["type"], "urn:problem-type:redlock:answered");
        assert_eq!(
            problem["title"],
            "A request like this one was answered a moment ago"
        );
    }
}
