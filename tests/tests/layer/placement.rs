//! Where the layer can be placed in a router, and among other layers.

use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, post},
};
use http::StatusCode;
use redlock_tower::{RedlockLayer, key};
use std::sync::Arc;
use tests::web::{Orders, locks, order, request, send, start};
use tower_http::cors::CorsLayer;

async fn layer() -> RedlockLayer<key::Header> {
    RedlockLayer::new(locks().await.1, key::header("x-user-id")).no_wait()
}

/// Asserts that a second request to `path` is rejected while the first one runs.
async fn is_locked(app: &Router, orders: &Arc<Orders>, path: &str) {
    let to = || request("POST", path, &[("x-user-id", "ann")], "");
    let before = orders.entered();
    let first = start(app, to());
    orders.wait_entered(before + 1).await;
    assert_eq!(send(app, to()).await.status, 409, "{path}");
    orders.unblock(1);
    assert_eq!(first.await.unwrap().status, 201, "{path}");
}

#[tokio::test]
async fn around_a_router_and_its_fallback() {
    let orders = Orders::blocked();
    let app = orders.route().layer(layer().await);
    is_locked(&app, &orders, "/orders").await;
    assert_eq!(
        send(
            &app,
            request("POST", "/nowhere", &[("x-user-id", "ann")], "")
        )
        .await
        .status,
        404
    );
}

#[tokio::test]
async fn around_the_routes_of_a_router() {
    let orders = Orders::blocked();
    let app = orders.route().route_layer(layer().await);
    is_locked(&app, &orders, "/orders").await;
    assert_eq!(
        send(
            &app,
            request("POST", "/nowhere", &[("x-user-id", "ann")], "")
        )
        .await
        .status,
        404
    );
}

#[tokio::test]
async fn around_one_method_router() {
    let orders = Orders::blocked();
    let handler = {
        let orders = Arc::clone(&orders);
        move || async move {
            orders.run().await;
            StatusCode::CREATED
        }
    };
    let locked: MethodRouter = post(handler.clone()).layer(layer().await);
    let app = Router::new()
        .route("/locked", locked)
        .route("/free", post(handler));
    is_locked(&app, &orders, "/locked").await;
    let to = || request("POST", "/free", &[("x-user-id", "ann")], "");
    let free = [start(&app, to()), start(&app, to())];
    orders.wait_entered(3).await;
    orders.unblock(2);
    for request in free {
        assert_eq!(request.await.unwrap().status, 201);
    }
}

#[tokio::test]
async fn inside_and_around_nested_routers() {
    let orders = Orders::blocked();
    let layer = layer().await;
    let inside = Router::new()
        .nest("/v1", orders.route().layer(layer.clone()))
        .nest("/v2", orders.route().layer(layer.clone()));
    let around = Router::new()
        .nest("/v1", orders.route())
        .nest("/v2", orders.route())
        .layer(layer);
    for app in [inside, around] {
        is_locked(&app, &orders, "/v1/orders").await;
        // The two versions are different routes.
        let entered = orders.entered();
        let to = |path: &str| request("POST", path, &[("x-user-id", "ann")], "");
        let both = [start(&app, to("/v1/orders")), start(&app, to("/v2/orders"))];
        orders.wait_entered(entered + 2).await;
        orders.unblock(2);
        for request in both {
            assert_eq!(request.await.unwrap().status, 201);
        }
    }
}

#[tokio::test]
async fn behind_cors_a_rejection_has_its_headers_and_a_preflight_no_lock() {
    let orders = Orders::blocked();
    let app = orders
        .route()
        .layer(layer().await)
        .layer(CorsLayer::permissive());
    let first = start(&app, order("ann"));
    orders.wait_entered(1).await;
    let from_page = request(
        "POST",
        "/orders",
        &[("x-user-id", "ann"), ("origin", "https://shop.example")],
        "",
    );
    let second = send(&app, from_page).await;
    assert_eq!(second.status, 409);
    assert_eq!(second.header("access-control-allow-origin"), "*");
    let preflight = [
        ("origin", "https://shop.example"),
        ("access-control-request-method", "POST"),
    ];
    assert_eq!(
        send(&app, request("OPTIONS", "/orders", &preflight, ""))
            .await
            .status,
        200
    );
    orders.unblock(1);
    assert_eq!(first.await.unwrap().status, 201);
}

#[derive(Clone)]
struct User(String);

/// An authentication whose bearer token is the user's name.
async fn authenticate(mut request: Request, next: Next) -> Response {
    let Some(name) = request
        .headers()
        .get("authorization")
        .and_then(|value| value.to_str().ok())
    else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let user = User(name.trim_start_matches("Bearer ").to_owned());
    request.extensions_mut().insert(user);
    next.run(request).await
}

#[tokio::test]
async fn behind_authentication_no_client_takes_the_lock_of_another_user() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let by_user = key::extension(|user: &User| Some(user.0.clone()));
    let app = orders
        .route()
        .layer(RedlockLayer::new(redlock, by_user).required().no_wait())
        .layer(from_fn(authenticate));
    let by = |token: &str| request("POST", "/orders", &[("authorization", token)], "");
    assert_eq!(
        send(&app, request("POST", "/orders", &[], "")).await.status,
        401
    );
    assert_eq!(tests::web::held(&cluster), [""; 0]);
    let first = start(&app, by("Bearer ann"));
    orders.wait_entered(1).await;
    assert_eq!(send(&app, by("Bearer ann")).await.status, 409);
    orders.unblock(2);
    assert_eq!(send(&app, by("Bearer bob")).await.status, 201);
    assert_eq!(first.await.unwrap().status, 201);
}
