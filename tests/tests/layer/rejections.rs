//! The responses of rejections, and their configuration.

use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
    response::{Html, IntoResponse as _, Response},
    routing::post,
};
use redlock::Redlock;
use redlock_tower::{
    BusyStatus, Key, Reason, RedlockLayer, Rejection, key,
    replay::{MemoryStore, Quorum, RedisStore, ShareOptions},
};
use std::{sync::Arc, time::Duration};
use tests::{
    Cluster,
    web::{Orders, by_user, connect, locks, order, send, start, submit},
};

#[tokio::test]
async fn the_status_for_a_busy_key_is_configurable() {
    for (status, code) in [
        (BusyStatus::Conflict, 409),
        (BusyStatus::Locked, 423),
        (BusyStatus::TooManyRequests, 429),
    ] {
        let (_cluster, redlock) = locks().await;
        let orders = Orders::blocked();
        let app = orders.route().layer(
            RedlockLayer::new(redlock, key::header("x-user-id"))
                .no_wait()
                .busy_status(status),
        );
        let first = start(&app, order("ann"));
        orders.wait_entered(1).await;
        let second = send(&app, order("ann")).await;
        assert_eq!(second.status, code);
        assert_eq!(second.json()["status"], code);
        assert_eq!(second.json()["type"], "urn:problem-type:redlock:busy");
        orders.unblock(1);
        assert_eq!(first.await.unwrap().status, 201);
    }
}

#[tokio::test]
async fn retry_after_is_a_second_until_a_hold_was_measured() {
    let (_cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .no_wait()
        .ttl(Duration::from_secs(30));
    let app = orders.route().layer(layer);
    let first = start(&app, order("ann"));
    orders.wait_entered(1).await;
    let second = send(&app, order("ann")).await;
    assert_eq!(second.header("retry-after"), "1", "{second:?}");
    orders.unblock(1);
    assert_eq!(first.await.unwrap().status, 201);
}

#[tokio::test]
async fn a_custom_rejection_carries_the_reason() {
    let (_cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .no_wait()
        .on_reject(|rejection: &Rejection, _: &http::request::Parts| {
            (
                rejection.status(),
                Html(format!(
                    "<p>{}: {}",
                    rejection.reason().as_str(),
                    rejection.title()
                )),
            )
                .into_response()
        });
    let app = orders.route().layer(layer);
    let first = start(&app, order("ann"));
    orders.wait_entered(1).await;
    let second = send(&app, order("ann")).await;
    assert_eq!(second.status, 409);
    assert!(second.text().starts_with("<p>busy: "), "{}", second.text());
    assert_eq!(second.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(second.reason(), Some(Reason::Busy));
    orders.unblock(1);
    assert_eq!(first.await.unwrap().status, 201);
}

#[tokio::test]
async fn a_409_of_the_handler_is_not_a_rejection() {
    let (_cluster, redlock) = locks().await;
    let app = Router::new()
        .route("/orders", post(async || http::StatusCode::CONFLICT))
        .layer(RedlockLayer::new(redlock, key::header("x-user-id")).no_wait());
    let answer = send(&app, order("ann")).await;
    assert_eq!(answer.status, 409);
    assert!(answer.extensions.get::<Rejection>().is_none());
}

#[tokio::test]
async fn an_invalid_exact_key_is_500() {
    let (_cluster, redlock) = locks().await;
    let orders = Orders::unblocked();
    let app = orders
        .route()
        .layer(RedlockLayer::new(redlock, |_: &http::request::Parts| {
            Some(Key::exact("fence{"))
        }));
    let answer = send(&app, order("ann")).await;
    assert_eq!((answer.status, orders.entered()), (500, 0));
    assert_eq!(answer.reason(), Some(Reason::Misconfigured));
    assert!(!answer.text().contains("fence"));
}

#[tokio::test]
async fn an_invalid_ttl_is_500() {
    for ttl in [Duration::ZERO, Duration::MAX] {
        let (_cluster, redlock) = locks().await;
        let orders = Orders::unblocked();
        let app = orders
            .route()
            .layer(RedlockLayer::new(redlock, key::header("x-user-id")).ttl(ttl));
        assert_eq!(
            (send(&app, order("ann")).await.status, orders.entered()),
            (500, 0),
            "{ttl:?}"
        );
    }
}

/// No record is kept for ever, and nobody finds one that ends at once.
#[tokio::test]
async fn f9_a_time_for_which_no_record_is_kept_is_500() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.unwrap();
    let orders = Orders::unblocked();
    let layer = || RedlockLayer::new(redlock.clone(), by_user());
    let replay = |ttl| {
        let server = RedisStore::new(&cluster.urls()[0]).unwrap();
        let nodes = Quorum::new(&redlock);
        [
            orders.route().layer(layer().replay(nodes, ttl)),
            orders.route().layer(layer().replay(server, ttl)),
            orders
                .route()
                .layer(layer().replay(MemoryStore::new(), ttl)),
        ]
    };
    let share = |wait, window| {
        let options = ShareOptions::new(MemoryStore::new()).window(window);
        orders.route().layer(layer().wait(wait).share_with(options))
    };
    let (no_time, second) = (Duration::ZERO, Duration::from_secs(1));
    for ttl in [no_time, Duration::from_nanos(1), Duration::MAX] {
        for (app, store) in replay(ttl).into_iter().zip(["nodes", "server", "memory"]) {
            let answer = send(&app, submit("/orders", "1", "")).await;
            assert_eq!(
                answer.reason(),
                Some(Reason::Misconfigured),
                "{ttl:?}, {store}"
            );
            assert_eq!(
                (answer.status, orders.entered()),
                (500, 0),
                "{ttl:?}, {store}"
            );
        }
    }
    for times in [(second, Duration::MAX), (Duration::MAX, second)] {
        let answer = send(&share(times.0, times.1), order("ann")).await;
        assert_eq!(answer.reason(), Some(Reason::Misconfigured), "{times:?}");
        let rejection: &Rejection = answer.extensions.get().unwrap();
        let error = rejection.error().map(ToString::to_string);
        assert!(error.is_some_and(|error| error.contains("the most is 365 days")));
    }
    assert_eq!(orders.entered(), 0);
    // Without a wait and a window, nothing is shared and requests run.
    let answer = send(&share(no_time, no_time), order("ann")).await;
    assert_eq!(answer.status, 201);
    // Nodes that started lately refuse to say whether there is a record.
    for app in replay(second).into_iter().skip(1) {
        let answer = send(&app, submit("/orders", "1", "")).await;
        assert_eq!(answer.status, 201);
    }
}

#[tokio::test]
async fn the_same_key_twice_around_a_handler_is_500_unless_reentrant() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::unblocked();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id")).namespace("orders");
    let app = orders.route().layer(layer.clone()).layer(layer.clone());
    let answer = send(&app, order("ann")).await;
    assert_eq!((answer.status, orders.entered()), (500, 0));
    assert_eq!(answer.reason(), Some(Reason::AlreadyHeld));

    let app = orders
        .route()
        .layer(layer.clone().reentrant(true))
        .layer(layer);
    assert_eq!(send(&app, order("ann")).await.status, 201);
    tests::web::all_free(&cluster).await;
}

/// A middleware that runs what is inside of it in another task, as some that catch panics or bound times do.
async fn in_a_task(request: Request, next: Next) -> Response {
    tokio::spawn(next.run(request)).await.unwrap()
}

#[tokio::test]
async fn the_same_key_twice_is_noticed_behind_a_middleware_that_spawns() {
    let (cluster, redlock) = locks().await;
    let layer = RedlockLayer::new(redlock.clone(), key::header("x-user-id"))
        .namespace("orders")
        .wait(Duration::from_secs(60));
    let own = |by: RedlockLayer<key::Header>| by.namespace("own");
    type Layers = Vec<RedlockLayer<key::Header>>; // the outermost first
    let refused: [(&str, Layers); 5] = [
        ("exclusive", vec![layer.clone(); 2]),
        (
            "another lock between",
            vec![layer.clone(), own(layer.clone()), layer.clone()],
        ),
        (
            "reader and writer",
            vec![layer.clone().read(), layer.clone().write()],
        ),
        ("the only permit", vec![own(layer.clone().permits(1)); 2]),
        (
            "does not wait",
            vec![layer.clone(), layer.clone().no_wait()],
        ),
    ];
    let app = |orders: &Arc<Orders>, layers: Layers| {
        let mut app = orders.route();
        for layer in layers.into_iter().rev() {
            app = app.layer(layer).layer(from_fn(in_a_task));
        }
        app
    };
    let orders = Orders::unblocked();
    for (case, layers) in refused {
        let answer = send(&app(&orders, layers), order("ann")).await;
        assert_eq!(answer.reason(), Some(Reason::AlreadyHeld), "{case}");
        assert_eq!((answer.status, orders.entered()), (500, 0), "{case}");
    }
    let others = RedlockLayer::new(connect(&cluster).await, key::header("x-user-id"));
    let granted: [(&str, Layers); 3] = [
        (
            "reentrant",
            vec![layer.clone(), layer.clone().reentrant(true)],
        ),
        ("another key", vec![layer.clone(), own(layer.clone())]),
        ("permits enough", vec![layer.clone().permits(2); 2]),
    ];
    for (at, (case, layers)) in granted.into_iter().enumerate() {
        let answer = send(&app(&orders, layers), order("ann")).await;
        assert_eq!((answer.status, orders.entered()), (201, at + 1), "{case}");
    }
    // Another client waits for this one as for any other.
    let layers = vec![layer, others.namespace("orders").no_wait()];
    let answer = send(&app(&orders, layers), order("ann")).await;
    assert_eq!(answer.reason(), Some(Reason::Busy));
}

#[tokio::test]
async fn a_handler_rejects_for_its_own_lock_as_the_layer_does() {
    let (_cluster, redlock) = locks().await;
    let handler = {
        let redlock = redlock.clone();
        move || async move {
            let guard = redlock.lock("invoice-numbers").no_wait().await?;
            Ok::<_, Rejection>(guard.run(async { "renumbered" }).await?)
        }
    };
    let app = Router::new().route("/orders", post(handler));
    assert_eq!(send(&app, order("ann")).await.body, "renumbered");
    let _held = redlock.lock("invoice-numbers").await.unwrap();
    let busy = send(&app, order("ann")).await;
    assert_eq!(busy.status, 409);
    assert!(busy.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(busy.json()["type"], "urn:problem-type:redlock:busy");
    assert!(!busy.text().contains("invoice"), "the key is not echoed");
    assert_eq!(busy.reason(), Some(Reason::Busy));
}
