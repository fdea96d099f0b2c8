//! Two submits on one HTTP/2 connection.

use super::support::{SOON, Shop, all_free, locks, serve, submit};
use redlock_tower::{RedlockLayer, key};
use tests::eventually;

#[tokio::test]
async fn streams_of_one_connection_exclude_each_other_and_a_reset_frees_the_key() {
    let (cluster, redlock) = locks().await;
    let shop = Shop::closed();
    let address = serve(
        shop.route()
            .layer(RedlockLayer::new(redlock, key::header("x-user-id")).no_wait()),
    )
    .await;
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();

    let first = tokio::spawn(submit(&client, address, "ann").send());
    shop.wait_entered(1).await;
    let second = submit(&client, address, "ann").send().await.unwrap();
    assert_eq!(
        (second.status().as_u16(), second.version()),
        (409, http::Version::HTTP_2)
    );
    assert_eq!(second.headers()["content-type"], "application/problem+json");
    shop.open(1);
    assert_eq!(first.await.unwrap().unwrap().status(), 201);

    // a stream that is reset is a client that is gone; the connection lives on
    let reset = tokio::spawn(submit(&client, address, "ann").send());
    shop.wait_entered(2).await;
    reset.abort();
    eventually(SOON, async || shop.running() == 0).await;
    all_free(&cluster).await;
    shop.open(1);
    assert_eq!(
        submit(&client, address, "ann")
            .send()
            .await
            .unwrap()
            .status(),
        201
    );
}
