//! Key extractors that do what a user expects, and `key_of`.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Path, Request as AxumRequest},
    middleware::{Next, from_fn},
    response::{IntoResponse as _, Response},
    routing::{get, patch, post},
};
use http::{HeaderName, Request, StatusCode};
use redlock_tower::{
    HeldLock, LockLayer, RedlockLayer,
    key::{self, BoxKeyExtractor, KeyExtractor},
    replay::{MemoryStore, ReplayStore as _},
};
use tests::web::{Orders, SOON, order, redlock, send};
use tests::{Logs, eventually, within};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tracing::level_filters::LevelFilter;

fn head(headers: &[(&str, &str)]) -> http::request::Parts {
    let mut request = Request::post("/orders");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

async fn key_of<K: KeyExtractor>(key: K, headers: &[(&str, &str)]) -> Option<String> {
    let layer = RedlockLayer::new(redlock().await, key).namespace("n");
    layer.key_of(&head(headers)).await.unwrap()
}

#[tokio::test]
async fn f54_a_header_name_is_a_string_in_any_case_or_a_header_name() {
    const USER: HeaderName = HeaderName::from_static("x-user-id");
    let ann = &[("x-user-id", "ann")];
    let expected = Some("n:x-user-id=ann".to_owned());
    assert_eq!(key_of(key::header("x-user-id"), ann).await, expected);
    assert_eq!(key_of(key::header("X-User-Id"), ann).await, expected);
    assert_eq!(key_of(key::header(USER), ann).await, expected);
    assert_eq!(key_of(key::header(&USER), ann).await, expected);
}

#[tokio::test]
async fn f54_an_invalid_header_name_is_500() {
    let app = Router::new()
        .route("/orders", post(async || StatusCode::CREATED))
        .layer(RedlockLayer::new(redlock().await, key::header("x user id")));
    let request = Request::post("/orders").body(Body::empty()).unwrap();
    let answer = app.oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn f54_or_uses_the_first_key_of_a_request() {
    let by = || key::header("x-user-id").or(key::cookie("session"));
    let user = key_of(by(), &[("x-user-id", "ann"), ("cookie", "session=s")]).await;
    assert_eq!(user.unwrap(), "n:x-user-id=ann");
    let session = key_of(by(), &[("cookie", "session=s")]).await;
    assert_eq!(session.unwrap(), "n:or2:session=s");
    // An empty header is not a key.
    let session = key_of(by(), &[("x-user-id", ""), ("cookie", "session=s")]).await;
    assert_eq!(session.unwrap(), "n:or2:session=s");
    assert_eq!(key_of(by(), &[]).await, None);
    // nor is an empty value of a closure
    let by = || key::from_fn(|_| Some(String::new())).or(key::cookie("session"));
    let session = key_of(by(), &[("cookie", "session=s")]).await;
    assert_eq!(session.unwrap(), "n:or2:session=s");
}

#[tokio::test]
async fn f54_boxed_extractors_have_one_type() {
    let choices: [BoxKeyExtractor; 3] = [
        key::header("x-user-id").boxed(),
        key::cookie("session").boxed(),
        key::from_fn(|parts| parts.uri.path().to_owned()).boxed(),
    ];
    let headers = &[("x-user-id", "ann"), ("cookie", "session=s")];
    let mut keys = Vec::new();
    for choice in choices {
        keys.push(key_of(choice, headers).await.unwrap());
    }
    assert_eq!(
        keys,
        ["n:x-user-id=ann", "n:session=s", "n:key=%2Forders"].map(|key| key.replace("%2F", "/"))
    );
}

#[tokio::test]
async fn f54_numbers_are_keys() {
    #[derive(Clone)]
    struct User {
        id: u64,
    }
    let layer =
        RedlockLayer::new(redlock().await, key::extension(|user: &User| user.id)).namespace("n");
    let mut head = head(&[]);
    assert_eq!(layer.key_of(&head).await.unwrap(), None);
    head.extensions.insert(User { id: 7 });
    assert_eq!(layer.key_of(&head).await.unwrap().unwrap(), "n:key=7");
    let optional = key::extension(|user: &User| Some(user.id).filter(|id| *id > 7));
    let layer = RedlockLayer::new(redlock().await, optional);
    assert_eq!(layer.key_of(&head).await.unwrap(), None);
}

#[tokio::test]
async fn f54_f47_all_spellings_of_a_typed_path_parameter_share_a_lock() {
    let orders = Orders::blocked();
    let handler = {
        let orders = Arc::clone(&orders);
        move || async move { orders.run().await }
    };
    let by_order = key::from_extractor(|Path(order): Path<u64>| order);
    let app = Router::new()
        .route("/orders/{id}", post(handler))
        .layer(RedlockLayer::new(redlock().await, by_order).no_wait());
    let submit = |id: &str| {
        let request = Request::post(format!("/orders/{id}"))
            .body(Body::empty())
            .unwrap();
        app.clone().oneshot(request)
    };
    let first = tokio::spawn(submit("7"));
    orders.wait_entered(1).await;
    for spelling in ["07", "+7", "007"] {
        let answer = within(SOON, submit(spelling)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::CONFLICT, "{spelling}");
    }
    let answer = within(SOON, submit("seven")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    first.abort();
}

#[tokio::test]
async fn f54_a_service_in_lock_layer_sees_its_token() {
    let redlock = redlock().await;
    let service = LockLayer::new(redlock, |key: &String| Some(key.clone())).layer(service_fn(
        async |_: String| Ok::<_, Infallible>(redlock::current().map(|held| held.token())),
    ));
    let first = service.clone().oneshot("a".to_owned()).await.unwrap();
    let second = service.oneshot("a".to_owned()).await.unwrap();
    assert!(first.is_some() && first < second, "{first:?} {second:?}");
    assert!(redlock::current().is_none());
}

#[tokio::test]
async fn f56_methods_of_a_route_and_routes_of_a_namespace_share_a_lock() {
    let redlock = redlock().await;
    let orders = Orders::blocked();
    let handler = {
        let orders = Arc::clone(&orders);
        move || async move { orders.run().await }
    };
    let by_cart = RedlockLayer::new(redlock.clone(), key::path("id"))
        .namespace("cart")
        .no_wait();
    let app = Router::new()
        .route("/cart/{id}", patch(handler.clone()).delete(handler.clone()))
        .route("/cart/{id}/checkout", post(handler))
        .layer(by_cart);
    let send = |method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path);
        app.clone().oneshot(request.body(Body::empty()).unwrap())
    };
    let first = tokio::spawn(send("PATCH", "/cart/7"));
    orders.wait_entered(1).await;
    for (method, path) in [("DELETE", "/cart/7"), ("POST", "/cart/7/checkout")] {
        let answer = within(SOON, send(method, path)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::CONFLICT, "{method} {path}");
    }
    // Operators can use the documented key.
    assert!(redlock.holder("cart:id=7").await.unwrap().is_some());
    redlock.force_release("cart:id=7").await.unwrap();
    assert!(redlock.holder("cart:id=7").await.unwrap().is_none());
    first.abort();
}

#[tokio::test]
async fn f56_key_of_returns_the_key_of_a_request() {
    let redlock = redlock().await;
    let layer = RedlockLayer::new(redlock.clone(), key::path("id"));
    let (keys, asked) = (
        layer.clone(),
        Arc::new(std::sync::Mutex::new(String::new())),
    );
    let ask = {
        let asked = Arc::clone(&asked);
        move |request: AxumRequest, next: Next| {
            let (keys, asked) = (keys.clone(), Arc::clone(&asked));
            async move {
                let (head, body) = request.into_parts();
                let key = keys.key_of(&head).await.unwrap().unwrap();
                *asked.lock().unwrap() = key;
                next.run(AxumRequest::from_parts(head, body)).await
            }
        }
    };
    let handler = {
        let (redlock, asked) = (redlock.clone(), Arc::clone(&asked));
        move || async move {
            let key = asked.lock().unwrap().clone();
            redlock
                .holder(key)
                .await
                .unwrap()
                .map_or("nobody", |_| "held")
        }
    };
    let app = Router::new()
        .route("/cart/{id}", post(handler))
        .route_layer(layer)
        .route_layer(from_fn(ask));
    let request = Request::post("/cart/7").body(Body::empty()).unwrap();
    let answer = app.oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let body = axum::body::to_bytes(answer.into_body(), 100).await.unwrap();
    assert_eq!(body, "held");
}

/// A middleware that runs the inner service in a task of its own.
async fn spawning(request: AxumRequest, next: Next) -> Response {
    tokio::spawn(next.run(request)).await.into_response_or_500()
}

trait Or500 {
    fn into_response_or_500(self) -> Response;
}

impl<E> Or500 for Result<Response, E> {
    fn into_response_or_500(self) -> Response {
        self.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
    }
}

#[tokio::test]
async fn f53_an_optional_held_lock_behind_a_spawning_middleware() {
    let handler = async |lock: Option<HeldLock>| if lock.is_some() { "locked" } else { "free" };
    let app = Router::new()
        .route("/orders", get(handler).post(handler))
        .layer(from_fn(spawning))
        .layer(RedlockLayer::new(redlock().await, key::header("x-user-id")));
    for (method, user, expected) in [
        ("GET", "ann", "free"),
        ("POST", "", "free"),
        ("POST", "ann", "locked"),
    ] {
        let request = Request::builder()
            .method(method)
            .uri("/orders")
            .header("x-user-id", user);
        let answer = app.clone().oneshot(request.body(Body::empty()).unwrap());
        let answer = within(SOON, answer).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{method} {user}");
        let body = axum::body::to_bytes(answer.into_body(), 100).await.unwrap();
        assert_eq!(body, expected, "{method} {user}");
    }
}

#[tokio::test]
async fn f53_debug_of_a_layer_shows_no_key() {
    let redlock = redlock().await;
    let _held = redlock.lock("n:x-user-id=secret-ann").await.unwrap();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id")).namespace("n");
    let app = Router::new()
        .route("/orders", post(async || "ordered"))
        .layer(layer.clone());
    let request = Request::post("/orders").header("x-user-id", "secret-ann");
    let waits = tokio::spawn(app.oneshot(request.body(Body::empty()).unwrap()));
    eventually(SOON, async || format!("{layer:?}").contains("waiting: 1")).await;
    assert!(!format!("{layer:?}").contains("secret-ann"), "{layer:?}");
    waits.abort();
}

#[tokio::test]
async fn f53_one_large_record_does_not_empty_the_memory_store() {
    let store = MemoryStore::with_capacity(10_000);
    let redlock = redlock().await;
    let token = redlock.lock("a").await.unwrap().token();
    let ttl = Duration::from_secs(600);
    for (key, bytes) in [("small", 100), ("large", 20_000)] {
        store.begin(key, token, ttl).await.unwrap();
        store.finish(key, token, vec![0; bytes], ttl).await.unwrap();
    }
    let begun = store.begin("small", token, ttl).await.unwrap();
    assert!(
        matches!(begun, redlock_tower::replay::Begun::Recorded(_)),
        "{begun:?}"
    );
}

/// The response refers to the log, and the log names the option, its limit and the remedy, but not the key.
#[tokio::test]
async fn f53_the_log_says_what_is_misconfigured() {
    let logs = Logs::capture(LevelFilter::WARN);
    let layer = RedlockLayer::new(redlock().await, key::header("x-user-id"));
    let app = Router::new()
        .route("/orders", post(async || StatusCode::CREATED))
        .layer(layer.ttl(Duration::from_secs(600)));
    let answer = within(SOON, send(&app, order("secret-ann"))).await;
    assert_eq!(answer.status, 500);
    let body = answer.text();
    assert!(
        body.contains("log says more") && !body.contains("600"),
        "{body}"
    );
    let logged = logs.lines_with("misconfigured");
    assert_eq!(logged.len(), 1, "{}", logs.text());
    for part in ["600s", "max_ttl", "60s"] {
        assert!(logged[0].contains(part), "{part}: {logged:?}");
    }
    assert!(!logs.text().contains("secret-ann"), "{}", logs.text());
}

/// A misspelt path parameter locks nothing, and nothing is rejected: the log is where to find it.
#[tokio::test]
async fn the_log_says_that_a_request_has_no_key() {
    const MESSAGE: &str = "a request has no key, so it runs without a lock";
    let logs = Logs::capture(LevelFilter::DEBUG);
    let redlock = redlock().await;
    let layer = RedlockLayer::new(redlock.clone(), key::path("order"));
    let app = Router::new()
        .route("/orders/{id}", post(async || StatusCode::CREATED))
        .route_layer(layer);
    let request = Request::post("/orders/secret-7").body(Body::empty());
    let answer = within(SOON, app.oneshot(request.unwrap())).await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    assert_eq!(logs.lines_with(MESSAGE).len(), 1, "{}", logs.text());

    let echo = service_fn(async |message: u32| Ok::<_, Infallible>(message));
    let keyless = LockLayer::new(redlock, |_: &u32| None).layer(echo);
    assert_eq!(within(SOON, keyless.oneshot(7)).await.unwrap(), 7);
    assert_eq!(logs.lines_with(MESSAGE).len(), 2, "{}", logs.text());
    assert!(!logs.text().contains("secret-7"), "{}", logs.text());
}

/// A required key that no request of a route can have is the mistake of the program, and the log names it.
#[tokio::test]
async fn a_misspelt_path_parameter_that_is_required_is_a_mistake_of_the_server() {
    let logs = Logs::capture(LevelFilter::ERROR);
    let redlock = redlock().await;
    let of = async |path: &str, key: BoxKeyExtractor| {
        let layer = RedlockLayer::new(redlock.clone(), key).required();
        let app = Router::new()
            .route("/orders/{id}", post(async || StatusCode::CREATED))
            .layer(layer);
        let request = Request::post(path).header("x-order", "8");
        let answer = app.oneshot(request.body(Body::empty()).unwrap());
        within(SOON, answer).await.unwrap().status()
    };
    assert_eq!(
        of("/orders/secret-7", key::path("order").boxed()).await,
        500
    );
    let logged = logs.lines_with("provides no value");
    assert_eq!(logged.len(), 1, "{}", logs.text());
    for part in ["`order`", "`/orders/{id}`"] {
        assert!(logged[0].contains(part), "{part}: {logged:?}");
    }
    assert_eq!(
        of("/orders/7", key::path("order").and(key::path("id")).boxed()).await,
        500
    );
    assert_eq!(
        of(
            "/orders/7",
            key::path("order").or(key::path("cart")).boxed()
        )
        .await,
        500
    );
    assert!(!logs.text().contains("secret-7"), "{}", logs.text());

    // What the client can send is its own mistake.
    assert_eq!(
        of(
            "/orders/7",
            key::path("order").or(key::header("x-order")).boxed()
        )
        .await,
        201
    );
    assert_eq!(
        of(
            "/orders/7",
            key::path("order").or(key::header("x-cart")).boxed()
        )
        .await,
        400
    );
    assert_eq!(
        of(
            "/orders/7",
            key::header("x-cart").or(key::path("order")).boxed()
        )
        .await,
        400
    );
    assert_eq!(of("/orders/7", key::path("id").boxed()).await, 201);
}

/// Every request has an address: where the server does not say it, clients are not to blame.
#[tokio::test]
async fn an_address_that_the_server_does_not_say_is_its_mistake() {
    let logs = Logs::capture(LevelFilter::ERROR);
    let redlock = redlock().await;
    for key in [
        key::peer_ip().boxed(),
        key::client_ip(["10.0.0.0/8"]).boxed(),
    ] {
        let layer = RedlockLayer::new(redlock.clone(), key);
        let status = async |layer| {
            let app = Router::new().route("/orders", post(async || StatusCode::CREATED));
            let answer = app.layer(layer).oneshot(order("ann"));
            within(SOON, answer).await.unwrap().status()
        };
        assert_eq!(status(layer.clone()).await, 201);
        assert_eq!(status(layer.required()).await, 500);
    }
    assert_eq!(
        logs.lines_with("from which address").len(),
        2,
        "{}",
        logs.text()
    );
}

/// Without a route there are neither its parameters nor its name.
#[tokio::test]
async fn a_key_of_the_route_without_a_route() {
    let logs = Logs::capture(LevelFilter::ERROR);
    let redlock = redlock().await;
    for (key, what) in [
        (key::path("id").boxed(), "`id`"),
        (key::matched_path().boxed(), "knows the route"),
    ] {
        let layer = RedlockLayer::new(redlock.clone(), key);
        let app = Router::new().route("/orders/{id}", post(async || StatusCode::CREATED));
        let send = |path: &str| Request::post(path).body(Body::empty()).unwrap();

        // The fallback of the router answers, as without the layer.
        let inside = app.clone().layer(layer.clone()).oneshot(send("/nowhere"));
        let answer = within(SOON, inside).await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{what}");

        // Around the router, the layer would never lock anything.
        let outside = layer.layer(app).oneshot(send("/orders/7"));
        let answer = within(SOON, outside).await.unwrap();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR, "{what}");
        let logged = logs.lines_with("provides no value");
        assert!(logged.last().unwrap().contains(what), "{logged:?}");
    }
}
