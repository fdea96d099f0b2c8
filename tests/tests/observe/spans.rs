//! Spans of locks, within the trace of the caller.

use std::time::Duration;

use redlock::{Redlock, memory::Nodes};
use tracing::Instrument as _;

use crate::recording::{Seen, Spans};

async fn locks() -> (Nodes, Redlock) {
    let nodes = Nodes::new(3);
    let redlock = Redlock::connect(nodes.nodes()).await.expect("nodes");
    (nodes, redlock)
}

/// Parent and outcome of each span of that name, all of which have ended.
fn of(spans: &Spans, name: &str) -> Vec<(Option<String>, String)> {
    let named = spans.named(name);
    let ended = |seen: Seen| {
        assert!(seen.closed, "{name} goes on: {}", spans.text());
        let outcome = seen.fields.get("outcome").cloned().unwrap_or_default();
        (seen.parent, outcome)
    };
    named.into_iter().map(ended).collect()
}

fn in_caller(outcomes: &[&str]) -> Vec<(Option<String>, String)> {
    let parent = Some("request".to_owned());
    let one = |outcome: &&str| (parent.clone(), (*outcome).to_owned());
    outcomes.iter().map(one).collect()
}

#[tokio::test]
async fn a_lock_is_part_of_the_callers_trace() {
    let spans = Spans::record();
    let (_nodes, redlock) = locks().await;
    let request = tracing::info_span!(target: "caller", "request");
    async {
        let guard = redlock.lock("secret:1").await.expect("free");
        redlock.try_lock("secret:1").await.expect("an answer");
        guard.release().await.expect("held");
        let guard = redlock.lock("secret:1").await.expect("free");
        drop(guard);
        let guard = redlock.lock("secret:2").await.expect("free");
        guard
            .cool_down(Duration::from_secs(60))
            .await
            .expect("held");
        redlock.lock("secret:2").await.expect_err("cooling down");
        redlock.lock("}").await.expect_err("no key");
    }
    .instrument(request)
    .await;
    let acquires = [
        "granted",
        "busy",
        "granted",
        "granted",
        "cooling_down",
        "invalid",
    ];
    assert_eq!(of(&spans, "lock.acquire"), in_caller(&acquires));
    let holds = ["released", "dropped", "cooled_down"];
    assert_eq!(of(&spans, "lock.hold"), in_caller(&holds));
    assert_eq!(
        of(&spans, "lock.release"),
        in_caller(&["released", "released"])
    );
    let rounds = &spans.named("lock.acquire")[0].fields["rounds"];
    assert_eq!(rounds, "1");
    // Keys are in events at `debug` only.
    for name in ["lock.acquire", "lock.hold", "lock.release"] {
        let shown = format!("{:?}", spans.named(name));
        assert!(!shown.contains("secret"), "{shown}");
    }
    let granted = spans.named("lock granted");
    assert_eq!(granted[0].parent.as_deref(), Some("lock.acquire"));
}

#[tokio::test]
async fn a_loss_and_causes_of_nodes() {
    let spans = Spans::record();
    let (nodes, redlock) = locks().await;
    let request = tracing::info_span!(target: "caller", "request");
    async {
        let guard = redlock.lock("secret:1").await.expect("free");
        redlock
            .force_release("secret:1")
            .await
            .expect("three nodes");
        guard.release().await.expect_err("taken away");
        let guard = redlock.lock("secret:1").await.expect("free");
        redlock
            .force_release("secret:1")
            .await
            .expect("three nodes");
        drop(guard);
        for node in nodes.nodes() {
            node.stop();
        }
        redlock.try_lock("secret:2").await.expect_err("no node");
    }
    .instrument(request)
    .await;
    assert_eq!(of(&spans, "lock.hold"), in_caller(&["lost", "lost"]));
    assert_eq!(of(&spans, "lock.release"), in_caller(&["lost"]));
    let acquires = ["granted", "granted", "no_quorum"];
    assert_eq!(of(&spans, "lock.acquire"), in_caller(&acquires));
    let causes = spans.named("node did not vote");
    assert_eq!(causes.len(), 3, "{}", spans.text());
    for cause in causes {
        assert_eq!(cause.parent.as_deref(), Some("lock.acquire"));
        assert!(!format!("{cause:?}").contains("secret"), "{cause:?}");
    }
}

/// Code that runs under a lock is in the span of its caller, as it would be without a lock.
#[tokio::test]
async fn a_body_stays_in_the_callers_span() {
    let spans = Spans::record();
    let (_nodes, redlock) = locks().await;
    let request = tracing::info_span!(target: "caller", "request");
    let body = async |_| tracing::info!(target: "caller", "body");
    let run = redlock.lock("k").run(body).instrument(request);
    run.await.expect("free");
    assert_eq!(spans.named("body")[0].parent.as_deref(), Some("request"));
    assert_eq!(of(&spans, "lock.hold"), in_caller(&["released"]));
}
