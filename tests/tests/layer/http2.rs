//! Two requests on one HTTP/2 connection.

use redlock_tower::{RedlockLayer, key};
use tests::eventually;
use tests::web::{Orders, SOON, all_free, locks, post_order, serve};

#[tokio::test]
async fn streams_of_one_connection_exclude_each_other_and_a_reset_releases_the_lock() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let address = serve(
        orders
            .route()
            .layer(RedlockLayer::new(redlock, key::header("x-user-id")).no_wait()),
    )
    .await;
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();

    let first = tokio::spawn(post_order(&client, address, "ann").send());
    orders.wait_entered(1).await;
    let second = post_order(&client, address, "ann").send().await.unwrap();
    assert_eq!(
        (second.status().as_u16(), second.version()),
        (409, http::Version::HTTP_2)
    );
    assert_eq!(second.headers()["content-type"], "application/problem+json");
    orders.unblock(1);
    assert_eq!(first.await.unwrap().unwrap().status(), 201);

    // A reset stream is a disconnect. The connection stays open.
    let reset = tokio::spawn(post_order(&client, address, "ann").send());
    orders.wait_entered(2).await;
    reset.abort();
    eventually(SOON, async || orders.running() == 0).await;
    all_free(&cluster).await;
    orders.unblock(1);
    assert_eq!(
        post_order(&client, address, "ann")
            .send()
            .await
            .unwrap()
            .status(),
        201
    );
}
