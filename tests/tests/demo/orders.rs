//! The shop over HTTP, on nodes inside the process.

use std::{sync::Mutex, time::Duration};

use futures_util::future::{join_all, select};
use reqwest::StatusCode;
use serde_json::json;

use crate::shop::{Shop, one_of_each};

#[tokio::test]
async fn a_double_submit_runs_once() {
    let shop = Shop::open().await;
    let (first, second) = tokio::join!(shop.order("ada"), shop.order("ada"));
    let (created, refused) = one_of_each(first, second);

    assert!(
        created.took >= Duration::from_millis(400),
        "an order takes about half a second: {created:?}"
    );
    assert_eq!(created.body["id"], 1);
    assert_eq!(created.body["user"], "ada");
    assert_eq!(created.body["details"]["item"], "tea");

    assert_eq!(
        refused.content_type.as_deref(),
        Some("application/problem+json")
    );
    assert_eq!(refused.body["status"], 409);
    let seconds: u64 = refused
        .retry_after
        .expect("Retry-After")
        .parse()
        .expect("whole seconds");
    assert!((1..=10).contains(&seconds), "{seconds}");

    let orders = shop.json("/orders").await;
    assert_eq!(orders.as_array().map(Vec::len), Some(1), "{orders}");
}

#[tokio::test]
async fn another_user_is_not_affected() {
    let shop = Shop::open().await;
    let users: Vec<String> = (1..=10).map(|number| format!("user-{number}")).collect();
    let answers = join_all(users.iter().map(|user| shop.order(user))).await;
    for answer in &answers {
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        // One after the other they would take five seconds.
        assert!(answer.took < Duration::from_millis(2500), "{answer:?}");
    }
}

#[tokio::test]
async fn the_next_order_of_a_user_is_never_refused_because_of_the_previous_one() {
    let shop = Shop::open().await;
    for id in 1..=5 {
        let answer = shop.order("ada").await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        assert_eq!(answer.body["id"], id);
    }
}

#[tokio::test]
async fn an_order_gets_one_invoice_for_many_simultaneous_requests() {
    let shop = Shop::open().await;
    assert_eq!(shop.order("ada").await.status, StatusCode::CREATED);
    assert_eq!(shop.order("bob").await.status, StatusCode::CREATED);

    let number = async |id: u64| {
        let response = shop.post(&format!("/orders/{id}/invoice")).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.json::<serde_json::Value>().await.expect("JSON")["invoice"]
            .as_u64()
            .expect("a number")
    };
    let (a, b, c) = tokio::join!(number(1), number(1), number(1));
    assert_eq!((a, b, c), (1, 1, 1));
    assert_eq!(number(2).await, 2);
    assert_eq!(
        shop.post("/orders/77/invoice").await.status(),
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn bad_requests_are_refused_and_not_recorded() {
    let shop = Shop::open().await;
    let tea = json!({ "item": "tea" });
    let nobody = shop.request().json(&tea).send().await.expect("an answer");
    assert_eq!(nobody.status(), StatusCode::BAD_REQUEST);
    assert_eq!(nobody.headers()["content-type"], "application/problem+json");

    let overlong = shop
        .request()
        .header("x-user-id", "a".repeat(5000))
        .json(&tea)
        .send()
        .await
        .expect("an answer");
    assert_eq!(overlong.status(), StatusCode::BAD_REQUEST);

    let garbled = shop
        .request()
        .header("x-user-id", "ada")
        .header("content-type", "application/json")
        .body("{");
    assert_eq!(
        garbled.send().await.expect("an answer").status(),
        StatusCode::BAD_REQUEST
    );

    let huge = shop
        .request()
        .header("x-user-id", "ada")
        .json(&json!({ "item": "a".repeat(20_000) }));
    assert_eq!(
        huge.send().await.expect("an answer").status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );

    assert_eq!(shop.json("/orders").await, json!([]));
}

#[tokio::test]
async fn orders_work_with_one_node_down_and_are_refused_with_two() {
    let shop = Shop::open().await;
    let state = async || -> Vec<String> {
        let seen = shop.json("/nodes").await;
        assert_eq!(
            (&seen["quorum"], &seen["embedded"]),
            (&json!(2), &json!(true))
        );
        let nodes = seen["nodes"].as_array().expect("a list");
        nodes
            .iter()
            .map(|node| node["state"].as_str().expect("a state").to_owned())
            .collect()
    };
    assert_eq!(state().await, ["up", "up", "up"]);

    assert_eq!(
        shop.post("/nodes/0/stop").await.status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(state().await, ["down", "up", "up"]);
    assert_eq!(shop.order("ada").await.status, StatusCode::CREATED);

    assert_eq!(
        shop.post("/nodes/1/stop").await.status(),
        StatusCode::NO_CONTENT
    );
    let refused = shop.order("ada").await;
    assert_eq!(
        refused.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{refused:?}"
    );
    assert_eq!(
        shop.json("/orders").await.as_array().map(Vec::len),
        Some(1),
        "none ran without the lock"
    );

    for index in 0..2 {
        assert_eq!(
            shop.post(&format!("/nodes/{index}/start")).await.status(),
            StatusCode::NO_CONTENT
        );
    }
    tests::eventually(Duration::from_secs(10), async || {
        shop.order("ada").await.status == StatusCode::CREATED
    })
    .await;
    assert_eq!(
        shop.post("/nodes/7/stop").await.status(),
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn the_page_comes_with_everything_it_needs() {
    let shop = Shop::open().await;
    let response = shop.get("/").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        response.headers()["content-type"],
        "text/html; charset=utf-8"
    );
    let policy = response.headers()["content-security-policy"]
        .to_str()
        .expect("text")
        .to_owned();
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    let page = response.text().await.expect("text");
    for outside in ["href=\"http", "src=\"http", "@import", "url("] {
        assert!(!page.contains(outside), "the page loads {outside}");
    }
    for (path, content_type) in [
        ("/style.css", "text/css; charset=utf-8"),
        ("/script.js", "text/javascript; charset=utf-8"),
    ] {
        assert!(page.contains(&format!("=\"{path}\"")), "{path}");
        let response = shop.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers()["content-type"], content_type);
    }
}

#[tokio::test]
async fn ctrl_c_lets_a_running_order_finish() {
    let mut shop = Shop::open().await;
    let send = || {
        shop.request()
            .header("x-user-id", "ada")
            .json(&json!({ "item": "tea" }))
            .send()
    };
    // The one that is answered first is the refused one, and then the other is under way.
    let (refused, under_way) = select(Box::pin(send()), Box::pin(send()))
        .await
        .factor_first();
    assert_eq!(refused.expect("an answer").status(), StatusCode::CONFLICT);
    shop.program.interrupt();
    shop.program.line("stopping").await;
    assert_eq!(
        under_way.await.expect("an answer").status(),
        StatusCode::CREATED
    );
    let ended = shop.program.ended().await;
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (Some(0), ""),
        "{ended:?}"
    );
    assert!(ended.stdout.ends_with("stopped"), "{ended:?}");
}

/// While an order is under way, a majority of the nodes holds the lock of its customer; it has a token, larger than the one before.
#[tokio::test]
async fn nodes_show_whose_locks_they_hold() {
    let shop = Shop::open().await;
    let tokens = Mutex::new(Vec::new());
    tests::eventually(Duration::from_secs(30), async || {
        let look = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            shop.json("/nodes").await
        };
        let (order, seen) = tokio::join!(shop.order("ada"), look);
        tokens
            .lock()
            .expect("whole")
            .push(order.body["token"].as_u64().expect("a token"));
        let nodes = seen["nodes"].as_array().expect("a list");
        nodes
            .iter()
            .filter(|node| node["holds"] == json!(["ada"]))
            .count()
            >= 2
    })
    .await;
    let order = shop.order("ada").await;
    let mut tokens = tokens.into_inner().expect("whole");
    tokens.push(order.body["token"].as_u64().expect("a token"));
    assert!(tokens.is_sorted_by(|one, next| one < next), "{tokens:?}");
}

#[tokio::test]
async fn a_node_hangs_is_cut_off_comes_back_and_restarts_empty() {
    let shop = Shop::open().await;
    let becomes = async |state: &str| {
        tests::eventually(Duration::from_secs(30), async || {
            shop.json("/nodes").await["nodes"][0]["state"] == state
        })
        .await;
    };
    for fault in ["hang", "cut"] {
        shop.post(&format!("/nodes/0/{fault}")).await;
        becomes("down").await;
        assert_eq!(shop.order("ada").await.status, StatusCode::CREATED);
        shop.post("/nodes/0/start").await;
        becomes("up").await;
    }
    shop.post("/nodes/0/restart").await;
    becomes("quarantined").await;
    assert_eq!(shop.order("ada").await.status, StatusCode::CREATED);
}
