//! The response of a rejected client: when to try again, why, and in which format.

use std::time::Duration;

use axum::Router;
use http::{Request, StatusCode};
use redlock_tower::{Reason, RedlockLayer, Rejection, key};
use tests::web::{Answer, Orders, redlock, request, send, start};

use crate::keys::FORM;

const BROWSER: (&str, &str) = (
    "accept",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
);

/// A hold that is longer than the second which is assumed before there is one.
const SLOW: Duration = Duration::from_millis(2100);

fn layer(redlock: redlock::Redlock) -> RedlockLayer<key::Header> {
    RedlockLayer::new(redlock, key::header("x-user-id")).no_wait()
}

fn by_ann(path: &str) -> Request<axum::body::Body> {
    request("POST", path, &[("x-user-id", "ann")], "")
}

#[tokio::test]
async fn retry_after_is_the_recent_hold_of_the_same_route() {
    let (fast, slow) = (Orders::blocked(), Orders::blocked());
    let handler = |orders: &std::sync::Arc<Orders>| {
        let orders = std::sync::Arc::clone(orders);
        axum::routing::post(move || async move { orders.run().await })
    };
    let layer = layer(redlock().await).ttl(Duration::from_secs(30));
    let app = Router::new()
        .route("/fast", handler(&fast))
        .route("/slow", handler(&slow))
        .layer(layer);
    let retry_after = async |path: &str, orders: &Orders, runs: usize, holds_for: Duration| {
        let first = start(&app, by_ann(path));
        orders.wait_entered(runs).await;
        let seconds = send(&app, by_ann(path)).await.retry_after().unwrap();
        tokio::time::sleep(holds_for).await;
        orders.unblock(1);
        assert_eq!(first.await.unwrap().status, 200);
        seconds
    };
    // Nothing was measured for either route yet.
    assert_eq!(retry_after("/fast", &fast, 1, Duration::ZERO).await, 1);
    assert_eq!(retry_after("/slow", &slow, 1, SLOW).await, 1);
    let slow_again = retry_after("/slow", &slow, 2, Duration::ZERO).await;
    assert!((3..=30).contains(&slow_again), "{slow_again}");
    let fast_again = retry_after("/fast", &fast, 2, Duration::ZERO).await;
    assert!(fast_again < slow_again, "{fast_again} {slow_again}");
}

#[tokio::test]
async fn in_progress_and_just_answered_are_distinguished() {
    let orders = Orders::blocked();
    let layer = layer(redlock().await)
        .dedupe_for(Duration::from_secs(20))
        .problem_types("https://example.com/problems/");
    let app = orders.route().layer(layer);
    let first = start(&app, by_ann("/orders"));
    orders.wait_entered(1).await;
    let busy = send(&app, by_ann("/orders")).await;
    orders.unblock(1);
    assert_eq!(first.await.unwrap().status, 201);
    let answered = send(&app, by_ann("/orders")).await;
    for (answer, reason, kind, title) in [
        (&busy, Reason::Busy, "busy", "is being processed"),
        (
            &answered,
            Reason::Answered,
            "answered",
            "was answered a moment ago",
        ),
    ] {
        assert_eq!((answer.status, answer.reason()), (409, Some(reason)));
        let problem = answer.json();
        assert_eq!(
            problem["type"],
            format!("https://example.com/problems/{kind}")
        );
        let text = problem["title"].as_str().unwrap();
        assert!(text.ends_with(title), "{text}");
        assert_eq!(problem["retry_after"], answer.retry_after().unwrap());
        let rejection = answer.extensions.get::<Rejection>().unwrap();
        assert_eq!(problem["type"], rejection.problem_type());
    }
    assert!((10..=20).contains(&answered.retry_after().unwrap()));
}

/// The second click on the button of a form, with these headers.
async fn second_click(headers: &[(&str, &str)]) -> Answer {
    let orders = Orders::blocked();
    let layer = RedlockLayer::new(redlock().await, key::form("submit_token"))
        .no_wait()
        .on_reject(Rejection::negotiated);
    let app = orders.route().layer(layer);
    let headers: Vec<_> = headers.iter().copied().chain([FORM]).collect();
    let click = || request("POST", "/orders", &headers, "submit_token=t");
    let first = start(&app, click());
    orders.wait_entered(1).await;
    let second = send(&app, click()).await;
    orders.unblock(1);
    assert_eq!(first.await.unwrap().status, 201);
    second
}

#[tokio::test]
async fn a_browser_gets_a_page_and_an_api_client_gets_json() {
    let page = second_click(&[BROWSER]).await;
    assert_eq!(page.status, 409);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("content-security-policy"), "default-src 'none'");
    for answer in [
        second_click(&[("accept", "application/json")]).await,
        second_click(&[]).await,
    ] {
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.json()["type"], "urn:problem-type:redlock:busy");
        for header in ["vary", "cache-control"] {
            assert_eq!(answer.header(header), page.header(header));
        }
        assert_eq!(answer.status, page.status);
    }
    assert_eq!(
        (page.header("vary"), page.header("cache-control")),
        ("accept", "no-store")
    );
    let seconds = page.retry_after().unwrap();
    for text in [
        "<h1>A request like this one is being processed</h1>".to_owned(),
        "<p>Wait for the response to the first one, or try again later.</p>".to_owned(),
        format!("You can try again in {seconds} second"),
    ] {
        assert!(page.text().contains(&text), "{}", page.text());
    }
}

#[tokio::test]
async fn a_page_shows_the_message_of_an_extractor_as_text() {
    let by = key::from_fn(|_| -> Result<Option<String>, _> {
        Err(key::KeyError::invalid(
            "<script>alert(\"1\")</script> & more",
        ))
    });
    let orders = Orders::unblocked();
    let layer = RedlockLayer::new(redlock().await, by).on_reject(Rejection::negotiated);
    let app = orders.route().layer(layer);
    let answer = send(&app, request("POST", "/orders", &[BROWSER], "")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST.as_u16());
    let escaped = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; more";
    assert!(answer.text().contains(escaped), "{}", answer.text());
    assert!(answer.retry_after().is_none() && !answer.text().contains("try again in"));
}

#[tokio::test]
async fn a_grpc_client_gets_a_grpc_status() {
    let orders = Orders::blocked();
    let layer = layer(redlock().await).on_reject(Rejection::negotiated);
    let app = orders.route().layer(layer);
    let headers = [
        ("x-user-id", "ann"),
        ("content-type", "application/grpc"),
        BROWSER,
    ];
    let call = || request("POST", "/orders", &headers, "");
    let first = start(&app, call());
    orders.wait_entered(1).await;
    let second = send(&app, call()).await;
    assert_eq!((second.status, second.header("grpc-status")), (200, "10"));
    orders.unblock(1);
    assert_eq!(first.await.unwrap().status, 201);
}
