//! Which requests share a lock.

use axum::{Extension, Router, body::Body, extract::ConnectInfo, routing::post};
use http::{Request, request::Parts};
use redlock::memory::Nodes;
use redlock_tower::{
    Key, KeyExtractor, RedlockLayer,
    key::{self, KeyError},
};
use std::{net::SocketAddr, sync::Arc};
use tests::web::{Orders, locks, request, send, start};

/// The keys that these requests lock.
async fn keys(key: impl KeyExtractor, route: &str, requests: Vec<Request<Body>>) -> Vec<String> {
    let (cluster, redlock) = locks().await;
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let app = {
        let (cluster, seen) = (cluster.clone(), Arc::clone(&seen));
        let look = move || async move {
            let keys = tests::web::held(&cluster);
            seen.lock()
                .unwrap()
                .push(keys.into_iter().next().unwrap_or_default());
        };
        Router::new()
            .route(route, post(look.clone()).put(look))
            .layer(RedlockLayer::new(redlock, key))
    };
    for request in requests {
        let answer = send(&app, request).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    std::mem::take(&mut *seen.lock().unwrap())
}

#[tokio::test]
async fn a_header_in_the_namespace_of_its_route() {
    let by =
        |method: &str, user: &str| request(method, "/users/7/orders", &[("x-user-id", user)], "");
    let keys = keys(
        key::header("x-user-id"),
        "/users/{id}/orders",
        vec![by("POST", "ann"), by("PUT", "a:b")],
    )
    .await;
    assert_eq!(
        keys,
        [
            "/users/%7Bid%7D/orders:x-user-id=ann",
            "/users/%7Bid%7D/orders:x-user-id=a%3Ab"
        ]
    );
}

#[tokio::test]
async fn every_user_name_makes_a_valid_key() {
    let by = |user: &str| request("POST", "/orders", &[("x-user-id", user)], "");
    let names = [
        "fence", "a:fence", "waiters", "{a}", "{}", "}{", "a{", "%", "=", "*", " ", "\u{e9}",
    ];
    let keys = keys(
        key::header("x-user-id"),
        "/orders",
        names.iter().map(|name| by(name)).collect(),
    )
    .await;
    assert_eq!(
        keys.iter().filter(|key| !key.is_empty()).count(),
        names.len(),
        "{keys:?}"
    );
}

#[tokio::test]
async fn path_query_cookie_and_idempotency_key() {
    let post = |path: &str, headers: &[(&str, &str)]| request("POST", path, headers, "");
    let route = "/orders/{id}";
    assert_eq!(
        keys(key::path("id"), route, vec![post("/orders/a%2Fb", &[])]).await,
        ["/orders/%7Bid%7D:id=a/b"]
    );
    assert_eq!(
        keys(key::matched_path(), route, vec![post("/orders/7", &[])]).await,
        ["/orders/%7Bid%7D:route=/orders/%7Bid%7D"]
    );
    assert_eq!(
        keys(
            key::query("of"),
            route,
            vec![post("/orders/7?x=1&of=a+b%26", &[])]
        )
        .await,
        ["/orders/%7Bid%7D:of=a b&"]
    );
    assert_eq!(
        keys(
            key::cookie("sid"),
            route,
            vec![post("/orders/7", &[("cookie", "a=b; sid=c=d")])]
        )
        .await,
        ["/orders/%7Bid%7D:sid=c=d"]
    );
    let quoted = post("/orders/7", &[("idempotency-key", "\"k-1\"")]);
    let bare = post("/orders/7", &[("idempotency-key", "k-1")]);
    assert_eq!(
        keys(key::idempotency_key(), route, vec![quoted, bare]).await,
        ["/orders/%7Bid%7D:idempotency-key=k-1"; 2]
    );
}

#[tokio::test]
async fn an_extension_of_an_outer_layer() {
    #[derive(Clone)]
    struct User(u64);
    let (cluster, redlock) = locks().await;
    let look = {
        let cluster = cluster.clone();
        move || async move { tests::web::held(&cluster).join(" ") }
    };
    let app = Router::new()
        .route("/orders", post(look))
        .layer(RedlockLayer::new(
            redlock,
            key::extension(|user: &User| Some(user.0.to_string())),
        ))
        .layer(Extension(User(42)));
    assert_eq!(
        send(&app, request("POST", "/orders", &[], "")).await.body,
        "/orders:key=42"
    );
}

#[tokio::test]
async fn the_address_of_the_peer() {
    let mut by_peer = request("POST", "/orders", &[], "");
    by_peer
        .extensions_mut()
        .insert(ConnectInfo("127.0.0.1:4711".parse::<SocketAddr>().unwrap()));
    assert_eq!(
        keys(key::peer_ip(), "/orders", vec![by_peer]).await,
        ["/orders:peer=127.0.0.1"]
    );
}

#[tokio::test]
async fn closures_async_closures_and_exact_keys() {
    let by = || request("POST", "/orders", &[("x-user-id", "ann")], "");
    let user = |parts: &Parts| Some(parts.headers.get("x-user-id")?.to_str().ok()?.to_owned());
    assert_eq!(keys(user, "/orders", vec![by()]).await, ["/orders:key=ann"]);
    let slow = key::from_async(move |parts: &Parts| {
        let user = user(parts);
        async move {
            tokio::task::yield_now().await;
            Ok::<_, KeyError>(user.map(|user| Key::named("user", user)))
        }
    });
    assert_eq!(
        keys(slow, "/orders", vec![by()]).await,
        ["/orders:user=ann"]
    );
    let exact = |_: &Parts| Some(Key::exact("invoice:42"));
    assert_eq!(keys(exact, "/orders", vec![by()]).await, ["invoice:42"]);
}

#[tokio::test]
async fn parts_with_separators_make_different_keys() {
    let by = |tenant: &str, user: &str| {
        request(
            "POST",
            "/orders",
            &[("x-tenant", tenant), ("x-user-id", user)],
            "",
        )
    };
    let both = key::header("x-tenant").and(key::header("x-user-id"));
    let pairs = [
        ("a:b", "c"),
        ("a", "b:c"),
        ("a:x-user-id=b", "c"),
        ("a", "x-user-id=b:c"),
        ("a%3Ab", "c"),
    ];
    let mut keys = keys(
        both,
        "/orders",
        pairs
            .iter()
            .map(|(tenant, user)| by(tenant, user))
            .collect(),
    )
    .await;
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), pairs.len(), "{keys:?}");
}

#[tokio::test]
async fn a_request_without_one_part_has_no_key() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let both = key::header("x-tenant").and(key::header("x-user-id"));
    let app = orders
        .route()
        .layer(RedlockLayer::new(redlock, both).no_wait());
    let half = || request("POST", "/orders", &[("x-user-id", "ann")], "");
    let passed = [start(&app, half()), start(&app, half())];
    orders.wait_entered(2).await;
    assert_eq!(tests::web::held(&cluster), [""; 0]);
    orders.unblock(2);
    for request in passed {
        assert_eq!(request.await.unwrap().status, 201);
    }
}

#[tokio::test]
async fn different_values_are_400_and_equal_ones_are_one_key() {
    let (_cluster, redlock) = locks().await;
    let orders = Orders::unblocked();
    let app = |key| {
        orders
            .route()
            .layer(RedlockLayer::new(redlock.clone(), key))
    };
    let headers = app(key::header("x-user-id"));
    let twice = |second: &str| {
        request(
            "POST",
            "/orders",
            &[("x-user-id", "ann"), ("x-user-id", second)],
            "",
        )
    };
    let answer = send(&headers, twice("bob")).await;
    assert_eq!(answer.status, 400);
    assert!(
        !answer.text().contains("bob") && answer.text().contains("x-user-id"),
        "{}",
        answer.text()
    );
    assert_eq!(send(&headers, twice("ann")).await.status, 201);

    let query = orders
        .route()
        .layer(RedlockLayer::new(redlock.clone(), key::query("u")));
    assert_eq!(
        send(&query, request("POST", "/orders?u=a&u=b", &[], ""))
            .await
            .status,
        400
    );
    let cookie = orders
        .route()
        .layer(RedlockLayer::new(redlock.clone(), key::cookie("u")));
    assert_eq!(
        send(
            &cookie,
            request("POST", "/orders", &[("cookie", "u=a; u=b")], "")
        )
        .await
        .status,
        400
    );
    let idempotency = orders
        .route()
        .layer(RedlockLayer::new(redlock.clone(), key::idempotency_key()));
    assert_eq!(
        send(
            &idempotency,
            request("POST", "/orders", &[("idempotency-key", "\"a")], "")
        )
        .await
        .status,
        400
    );
}

#[tokio::test]
async fn an_unavailable_key_is_503() {
    let (_cluster, redlock) = locks().await;
    let orders = Orders::unblocked();
    let down =
        |_: &Parts| Err::<Option<Key>, _>(KeyError::unavailable("the session store is down"));
    let app = orders.route().layer(RedlockLayer::new(redlock, down));
    let answer = send(&app, request("POST", "/orders", &[], "")).await;
    assert_eq!((answer.status, orders.entered()), (503, 0));
    assert_eq!(answer.json()["detail"], "the session store is down");
}

#[tokio::test]
async fn long_and_secret_keys_are_hashed() {
    let by = |user: &str| request("POST", "/orders", &[("x-user-id", user)], "");
    let long = keys(
        key::header("x-user-id"),
        "/orders",
        vec![by(&"a".repeat(5000)), by(&"a".repeat(5001))],
    )
    .await;
    assert_ne!(long[0], long[1]);
    for key in &long {
        assert!(
            key.starts_with("/orders:sha256:") && key.len() < 100,
            "{key}"
        );
    }

    let (cluster, redlock) = locks().await;
    let look = {
        let cluster: Nodes = cluster.clone();
        move || async move { tests::web::held(&cluster).join(" ") }
    };
    let app = Router::new()
        .route("/orders", post(look))
        .layer(RedlockLayer::new(redlock, key::cookie("sid")).hash_keys());
    let answer = send(
        &app,
        request("POST", "/orders", &[("cookie", "sid=secret")], ""),
    )
    .await;
    assert!(
        answer.text().starts_with("/orders:sha256:") && !answer.text().contains("secret"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn routes_have_their_own_locks_unless_they_share_a_namespace() {
    let (_cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let handler = {
        let orders = Arc::clone(&orders);
        move || async move { orders.run().await }
    };
    let app = |layer: RedlockLayer<key::Header>| {
        Router::new()
            .route("/buy", post(handler.clone()))
            .route("/sell", post(handler.clone()))
            .layer(layer)
    };
    let layer = RedlockLayer::new(redlock, key::header("x-user-id")).no_wait();
    let to = |path: &str| request("POST", path, &[("x-user-id", "ann")], "");

    let apart = app(layer.clone());
    let both = [start(&apart, to("/buy")), start(&apart, to("/sell"))];
    orders.wait_entered(2).await;
    orders.unblock(2);
    for request in both {
        assert_eq!(request.await.unwrap().status, 200);
    }

    let shared = app(layer.namespace("trade"));
    let buy = start(&shared, to("/buy"));
    orders.wait_entered(3).await;
    assert_eq!(send(&shared, to("/sell")).await.status, 409);
    orders.unblock(1);
    assert_eq!(buy.await.unwrap().status, 200);
}
