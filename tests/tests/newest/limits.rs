//! Where the newest wins among requests that are limited, that want several locks, or that the client's defaults contradict.

use std::time::Duration;

use redlock::{Redlock, WaiterLimit, memory};
use tests::{eventually, web, within};

use crate::BOUND;

/// The one that waits gives up its place, so the limit of the key does not keep the newest out.
#[tokio::test]
async fn the_newest_request_is_not_refused_for_an_older_one_that_waits() {
    let nodes = memory::Nodes::new(3);
    let redlock = web::connect(&nodes).await;
    let limit = WaiterLimit::new(1, 10);
    // Excluded, and not superseded, since it is without the option.
    let holder = redlock.lock("draft").await.unwrap();
    let request = redlock.lock("draft").newest_wins(true);
    let request = request.max_waiters(&limit).wait(BOUND);
    let older = tokio::spawn(request.clone().into_future());
    let waits = || format!("{limit:?}").contains("waiting: 1");
    eventually(BOUND, async || waits()).await;
    let newer = tokio::spawn(request.into_future());
    let error = within(BOUND, older).await.unwrap().unwrap_err();
    assert!(error.is_superseded(), "{error:?}");
    holder.release().await.unwrap();
    let guard = within(BOUND, newer).await.unwrap().unwrap();
    guard.release().await.unwrap();
    eventually(BOUND, async || format!("{limit:?}").contains("waiting: 0")).await;
}

/// A request of several locks waits for the first ones before the others are announced.
#[tokio::test]
async fn several_locks_are_not_requested_with_one_whose_newest_request_wins() {
    let nodes = memory::Nodes::new(3);
    let redlock = web::connect(&nodes).await;
    let newest = redlock.lock("draft").newest_wins(true);
    let error = redlock.lock_all(["a"]).and(newest).await.unwrap_err();
    assert!(error.is_invalid(), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("draft") && text.contains("newest_wins"),
        "{text}"
    );
    let guard = redlock.lock("a").no_wait().await.unwrap();
    guard.release().await.unwrap();
}

/// Two clients have two locks of one name, if they have other namespaces.
#[tokio::test]
async fn a_lock_of_another_client_is_refused_also_beside_one_of_the_same_name() {
    let nodes = memory::Nodes::new(3);
    let (one, other) = (web::connect(&nodes).await, web::connect(&nodes).await);
    let error = one.lock_all(["a"]).and(other.lock("a")).await.unwrap_err();
    assert!(error.is_invalid(), "{error:?}");
}

/// The request has no option to leave out, so the error names the setting of the client.
#[tokio::test]
async fn a_default_of_the_client_that_contradicts_is_named_as_one() {
    let nodes = memory::Nodes::new(3);
    let patient = Redlock::builder()
        .nodes(nodes.nodes())
        .connect()
        .await
        .unwrap();
    let hasty = Redlock::builder().nodes(nodes.nodes()).wait(Duration::ZERO);
    let hasty = hasty.connect().await.unwrap();
    let plain = Redlock::builder().nodes(nodes.nodes()).fencing(false);
    let plain = plain.connect().await.unwrap();
    let newest = |client: &Redlock| client.lock("draft").newest_wins(true);
    for (request, names, not) in [
        (newest(&hasty), "Builder::wait", "no_wait"),
        (newest(&plain), "Builder::fencing", "fencing(false)"),
        (newest(&patient).no_wait(), "no_wait", "Builder"),
        (newest(&hasty).no_wait(), "no_wait", "Builder"),
        (newest(&patient).fencing(false), "fencing(false)", "Builder"),
    ] {
        let error = request.await.unwrap_err();
        assert!(error.is_invalid(), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(names) && !text.contains(not), "{text}");
    }
    for request in [newest(&hasty).wait(BOUND), newest(&plain).fencing(true)] {
        request.await.unwrap().release().await.unwrap();
    }
    // The same for what else needs a token.
    let held = plain.lock("plain").await.unwrap();
    let text = held.read().await.unwrap_err().to_string();
    assert!(text.contains("`fencing(true)`"), "{text}");
    let text = held.detach().unwrap_err().to_string();
    assert!(text.contains("`fencing(true)`"), "{text}");
}
