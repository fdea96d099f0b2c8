//! What errors show: the fields that their documentation explains, and keys as the user wrote them.

use std::{pin::pin, time::Duration};

use redlock::{
    Error, Redlock,
    memory::{Node, Nodes},
};
use tests::{Logs, within};
use tracing::level_filters::LevelFilter;

use crate::SOON;

const NAMESPACE: &str = "prod-eu:";
const KEY: &str = "invoice:42";

#[tokio::test]
async fn debug_of_an_error_shows_what_its_methods_return() {
    let nodes = Nodes::new(3);
    let redlock = Redlock::connect(nodes.nodes()).await.expect("three nodes");
    nodes.nodes().iter().for_each(Node::stop);
    let error = redlock.lock("k").no_wait().await.expect_err("no nodes");
    let node = error.node_errors().first().expect("a cause");
    let shown = format!("{node:?}");
    let expected = format!(
        "NodeError {{ node: {:?}, kind: {:?}, cause: {:?} }}",
        node.node(),
        node.kind(),
        node.cause()
    );
    assert_eq!(shown, expected);
    assert!(format!("{error:?}").contains(&shown), "{error:?}");
}

/// The namespace is a matter of the client. Only the texts about data of others on a node have its Redis keys.
#[tokio::test]
async fn errors_and_events_name_a_key_as_the_user_wrote_it() {
    let logs = Logs::capture(LevelFilter::DEBUG);
    let nodes = Nodes::new(3);
    let client = || {
        let built = Redlock::builder().nodes(nodes.nodes()).namespace(NAMESPACE);
        built.connect()
    };
    let (one, two) = (
        client().await.expect("nodes"),
        client().await.expect("nodes"),
    );
    let mut errors: Vec<(&str, Error)> = of_requests(&one, &two).await;
    errors.extend(of_guards(&one, &two).await);
    errors.extend(of_kinds(&one, &two).await);
    let guard = one.lock(KEY).await.expect("free");
    nodes.nodes().iter().for_each(Node::stop);
    errors.push((
        "no quorum",
        two.lock(KEY).no_wait().await.expect_err("no nodes"),
    ));
    errors.push(("holder", two.holder(KEY).await.expect_err("no nodes")));
    errors.push(("extend", guard.extend().await.expect_err("no nodes")));
    errors.push(("write", guard.write("value").await.expect_err("no nodes")));
    errors.push(("release", guard.release().await.expect_err("no nodes")));
    let young = Nodes::new(3);
    young.nodes().iter().for_each(Node::restart_empty);
    let built = Redlock::builder().nodes(young.nodes()).namespace(NAMESPACE);
    let young = built.connect().await.expect("three nodes");
    errors.push(("forgotten", young.read(KEY).await.expect_err("young nodes")));
    one.close().await;
    errors.push(("closed", one.lock(KEY).await.expect_err("closed")));
    for (of, error) in errors {
        assert_eq!(error.key(), Some(KEY), "{of}: {error}");
        let shown = format!("{error} {error:?} {}", error.without_key());
        assert!(!shown.contains(NAMESPACE), "{of}: {shown}");
    }
    let text = logs.text();
    let about: Vec<&str> = text.lines().filter(|line| line.contains(KEY)).collect();
    assert!(about.len() > 10, "{text}");
    for event in ["lock granted", "lock refused", "key of the lost lock"] {
        assert!(
            about.iter().any(|line| line.contains(event)),
            "{event}: {text}"
        );
    }
    let named: Vec<&&str> = about
        .iter()
        .filter(|line| line.contains(NAMESPACE))
        .collect();
    assert!(named.is_empty(), "{named:#?}");
}

async fn of_requests(one: &Redlock, two: &Redlock) -> Vec<(&'static str, Error)> {
    let mut errors = Vec::new();
    let guard = one.lock(KEY).await.expect("free");
    let short = Duration::from_millis(50);
    errors.push(("busy", two.lock(KEY).no_wait().await.expect_err("held")));
    errors.push((
        "timed out",
        two.lock(KEY).wait(short).await.expect_err("held"),
    ));
    let local = one.lock(KEY).wait(short).await.expect_err("held");
    // The first mistake of many: a task that holds a guard waits for itself.
    let text = local.to_string();
    assert!(
        text.contains("was held in this process for the 50 ms"),
        "{text}"
    );
    errors.push(("local", local));
    let all = two.lock_all([KEY, "other"]).wait(short);
    errors.push(("lock_all", all.await.expect_err("held")));
    let inside = guard.run(async { one.lock(KEY).wait(SOON).await.map(drop) });
    errors.push((
        "already held",
        inside.await.expect("released").expect_err("held"),
    ));
    let cooling = one.lock(KEY).await.expect("free");
    cooling
        .cool_down(Duration::from_millis(100))
        .await
        .expect("released");
    errors.push((
        "cooling down",
        two.lock(KEY).wait(SOON).await.expect_err("cools"),
    ));
    tokio::time::sleep(Duration::from_millis(150)).await;
    errors
}

async fn of_guards(one: &Redlock, two: &Redlock) -> Vec<(&'static str, Error)> {
    let mut errors = Vec::new();
    let large = one.lock(KEY).await.expect("free");
    errors.push((
        "too large",
        large.write(vec![0; 100_000]).await.expect_err("large"),
    ));
    large.release().await.expect("released");
    let plain = one.lock(KEY).fencing(false).await.expect("free");
    errors.push(("detach", plain.detach().expect_err("no token")));
    let taken = within(SOON, one.lock(KEY)).await.expect("free");
    two.force_release(KEY).await.expect("taken");
    errors.push(("lost", taken.extend().await.expect_err("lost")));
    errors.push(("lost", taken.release().await.expect_err("lost")));
    let older = one.lock(KEY).newest_wins(true).await.expect("free");
    let newer = tokio::spawn(two.lock(KEY).newest_wins(true).into_future());
    within(SOON, pin!(older.lost())).await;
    errors.push((
        "superseded",
        older.release().await.expect_err("a newer one"),
    ));
    let newer = newer.await.expect("no panic").expect("free");
    newer.release().await.expect("released");
    errors
}

async fn of_kinds(one: &Redlock, two: &Redlock) -> Vec<(&'static str, Error)> {
    let mut errors = Vec::new();
    let permit = one.semaphore(KEY, 1).acquire().await.expect("free");
    let none = two.semaphore(KEY, 1).acquire().no_wait().await;
    errors.push(("no permit", none.expect_err("held")));
    let other = two.semaphore(KEY, 2).acquire().no_wait().await;
    errors.push(("other permits", other.expect_err("another number")));
    errors.push(("detach a permit", permit.detach().expect_err("a permit")));
    let _ = two.semaphore(KEY, 1).force_release_all().await;
    let writer = within(SOON, one.rwlock(KEY).write()).await.expect("free");
    let reader = two.rwlock(KEY).read().no_wait().await;
    errors.push(("no reader", reader.expect_err("written")));
    two.rwlock(KEY).force_release_writer().await.expect("taken");
    errors.push(("lost writer", writer.extend().await.expect_err("lost")));
    let permit = one.semaphore(KEY, 1).acquire().await.expect("free");
    two.semaphore(KEY, 1)
        .force_release_all()
        .await
        .expect("taken");
    errors.push(("lost permit", permit.extend().await.expect_err("lost")));
    errors
}
