//! Under `axum::serve` with graceful shutdown.

use redlock_tower::{RedlockLayer, key};
use tests::web::{Orders, SOON, held, locks, post_order};
use tests::within;
use tokio::{net::TcpListener, sync::oneshot};

#[tokio::test]
async fn a_graceful_shutdown_waits_for_the_handler_and_its_release() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let app = orders
        .route()
        .layer(RedlockLayer::new(redlock.clone(), key::header("x-user-id")).no_wait());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        axum::serve(listener, app)
            .with_graceful_shutdown(async { stopped.await.unwrap() })
            .await
    });

    let submit = tokio::spawn(post_order(&reqwest::Client::new(), address, "ann").send());
    orders.wait_entered(1).await;
    stop.send(()).unwrap();
    tokio::task::yield_now().await;
    assert!(!server.is_finished(), "waits for the handler");
    assert_eq!(held(&cluster).len(), 1);

    orders.unblock(1);
    assert_eq!(submit.await.unwrap().unwrap().status(), 201);
    within(SOON, server).await.unwrap().unwrap();
    assert_eq!(held(&cluster), [""; 0]);
    within(SOON, redlock.close()).await;
}

#[tokio::test]
async fn close_delivers_the_releases_of_aborted_requests() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let app = orders
        .route()
        .layer(RedlockLayer::new(redlock.clone(), key::header("x-user-id")).no_wait());
    let requests: Vec<_> = ["ann", "bob", "eve"]
        .map(|user| tests::web::start(&app, tests::web::order(user)))
        .into();
    orders.wait_entered(3).await;
    for request in requests {
        request.abort();
        let _ = request.await;
    }
    within(SOON, redlock.close()).await;
    assert_eq!(held(&cluster), [""; 0]);
}
