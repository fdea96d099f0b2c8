//! What the layer answers: why, and when to try again.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body, routing::post};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use redlock::{Redlock, memory};
use redlock_tower::{Reason, RedlockLayer, Rejection, key};
use tests::{Cluster, within};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

const SOON: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    reason: Option<Reason>,
    retry_after: Option<u64>,
    problem: serde_json::Value,
}

async fn order(app: &Router) -> Answer {
    let request = Request::post("/orders")
        .header("x-user-id", "ann")
        .body(Body::empty())
        .unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: head.status,
        reason: head.extensions.get::<Rejection>().map(Rejection::reason),
        retry_after: head
            .headers
            .get("retry-after")
            .map(|seconds| seconds.to_str().unwrap().parse().unwrap()),
        problem: serde_json::from_slice(&body).unwrap_or_default(),
    }
}

fn orders() -> (Router, Arc<Semaphore>) {
    let door = Arc::new(Semaphore::new(0));
    let handler = {
        let door = Arc::clone(&door);
        move || async move {
            door.acquire().await.unwrap().forget();
            StatusCode::CREATED
        }
    };
    (Router::new().route("/orders", post(handler)), door)
}

/// `Retry-After` of a double submit: before the layer has seen how long its requests take, and after.
async fn advice(redlock: Redlock) -> [Option<u64>; 2] {
    let (app, door) = orders();
    let app = app.layer(RedlockLayer::new(redlock, key::header("x-user-id")).no_wait());
    let mut advice = [None; 2];
    for advice in &mut advice {
        // The second one comes while the first still asks for the lock, or right after.
        let second = async {
            let second = order(&app).await;
            door.add_permits(1);
            second
        };
        let (first, second) = within(SOON, async { tokio::join!(order(&app), second) }).await;
        assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
        assert_eq!(second.reason, Some(Reason::Busy), "{second:?}");
        *advice = second.retry_after;
    }
    advice
}

#[tokio::test]
async fn f57_when_to_try_again_is_the_same_on_memory_nodes_and_real_ones() {
    let real = Cluster::start(3).await;
    let real = advice(Redlock::connect(real.urls()).await.unwrap()).await;
    let nodes = memory::Cluster::new(3);
    let memory = advice(Redlock::connect(nodes.nodes()).await.unwrap()).await;
    assert_eq!(real, memory);
    // The whole ttl at first, and then what requests take.
    assert_eq!(memory, [Some(10), Some(1)]);
}

#[tokio::test]
async fn f20_a_window_refuses_those_who_wait_as_answered_a_moment_ago() {
    let nodes = memory::Cluster::new(3);
    let redlock = Redlock::connect(nodes.nodes()).await.unwrap();
    let other = Redlock::connect(nodes.nodes()).await.unwrap();
    let (app, door) = orders();
    let layer = |redlock| {
        RedlockLayer::new(redlock, key::header("x-user-id"))
            .wait(SOON)
            .dedupe_for(Duration::from_secs(600))
    };
    let (here, elsewhere) = (app.clone().layer(layer(redlock)), app.layer(layer(other)));
    let end_it = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        door.add_permits(1);
    };
    let answers = within(SOON, async {
        tokio::join!(order(&here), order(&here), order(&elsewhere), end_it)
    });
    let (a, b, c, ()) = answers.await;
    let (served, refused): (Vec<_>, Vec<_>) = [a, b, c]
        .into_iter()
        .partition(|answer| answer.status == StatusCode::CREATED);
    assert_eq!(served.len(), 1);
    for answer in refused.into_iter().chain([order(&elsewhere).await]) {
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert_eq!(answer.reason, Some(Reason::Answered));
        assert!(
            answer
                .retry_after
                .is_some_and(|left| (590..=600).contains(&left))
        );
        assert_eq!(answer.problem["type"], "urn:problem-type:redlock:answered");
        assert_eq!(
            answer.problem["title"],
            "A request like this one was answered a moment ago"
        );
    }
}
