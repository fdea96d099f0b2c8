//! Under `axum::serve` with graceful shutdown.

use super::support::{SOON, Shop, held, locks, submit};
use redlock_tower::{RedlockLayer, key};
use tests::within;
use tokio::{net::TcpListener, sync::oneshot};

#[tokio::test]
async fn a_handler_ends_under_its_lock_and_nothing_is_held_afterwards() {
    let (cluster, redlock) = locks().await;
    let shop = Shop::closed();
    let app = shop
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

    let submit = tokio::spawn(submit(&reqwest::Client::new(), address, "ann").send());
    shop.wait_entered(1).await;
    stop.send(()).unwrap();
    tokio::task::yield_now().await;
    assert!(!server.is_finished(), "it waits for the handler");
    assert_eq!(held(&cluster).len(), 1);

    shop.open(1);
    assert_eq!(submit.await.unwrap().unwrap().status(), 201);
    within(SOON, server).await.unwrap().unwrap();
    assert_eq!(held(&cluster), [""; 0]);
    within(SOON, redlock.close()).await;
}

#[tokio::test]
async fn a_server_that_is_aborted_leaves_nothing_held_once_the_handle_is_closed() {
    let (cluster, redlock) = locks().await;
    let shop = Shop::closed();
    let app = shop
        .route()
        .layer(RedlockLayer::new(redlock.clone(), key::header("x-user-id")).no_wait());
    let requests: Vec<_> = ["ann", "bob", "eve"]
        .map(|user| super::support::start(&app, super::support::order(user)))
        .into();
    shop.wait_entered(3).await;
    for request in requests {
        request.abort();
        let _ = request.await;
    }
    within(SOON, redlock.close()).await;
    assert_eq!(held(&cluster), [""; 0]);
}
