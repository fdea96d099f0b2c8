//! The lock around a service that is not HTTP.

use redlock_tower::{LockError, LockLayer};
use std::{convert::Infallible, io, sync::Arc, time::Duration};
use tests::web::{Orders, SOON, all_free, locks};
use tests::within;
use tower::{Layer as _, Service as _, ServiceExt as _, service_fn};

struct Message {
    account: Option<u32>,
}

fn to(account: u32) -> Message {
    Message {
        account: Some(account),
    }
}

fn key(message: &Message) -> Option<String> {
    Some(format!("account:{}", message.account?))
}

#[tokio::test]
async fn messages_of_one_account_run_one_at_a_time() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let service = {
        let orders = Arc::clone(&orders);
        service_fn(move |_: Message| {
            let orders = Arc::clone(&orders);
            async move {
                orders.run().await;
                Ok::<_, Infallible>(())
            }
        })
    };
    let waiting = LockLayer::new(redlock.clone(), key)
        .wait(SOON)
        .layer(service.clone());
    let rejecting = LockLayer::new(redlock, key).no_wait().layer(service);

    let first = tokio::spawn(waiting.clone().oneshot(to(7)));
    orders.wait_entered(1).await;
    let rejected = rejecting.clone().oneshot(to(7)).await.unwrap_err();
    assert!(
        matches!(&rejected, LockError::Lock(error) if error.is_busy()),
        "{rejected:?}"
    );
    let second = tokio::spawn(waiting.clone().oneshot(to(7)));
    let others = [
        tokio::spawn(rejecting.clone().oneshot(to(8))),
        tokio::spawn(rejecting.oneshot(Message { account: None })),
    ];
    orders.wait_entered(3).await;
    orders.unblock(4);
    first.await.unwrap().unwrap();
    within(SOON, second).await.unwrap().unwrap();
    for other in others {
        other.await.unwrap().unwrap();
    }
    all_free(&cluster).await;
}

#[tokio::test]
async fn an_error_frees_the_key_and_a_success_starts_a_cool_down() {
    let (_cluster, redlock) = locks().await;
    let service = service_fn(async |message: Message| match message.account {
        Some(13) => Err(io::Error::other("on purpose")),
        _ => Ok(()),
    });
    let mut service = LockLayer::new(redlock, key)
        .no_wait()
        .dedupe_for(Duration::from_secs(30))
        .layer(service);
    for _ in 0..2 {
        let error = service
            .ready()
            .await
            .unwrap()
            .call(to(13))
            .await
            .unwrap_err();
        assert!(matches!(error, LockError::Inner(_)), "{error}");
    }
    service.ready().await.unwrap().call(to(7)).await.unwrap();
    let error = service
        .ready()
        .await
        .unwrap()
        .call(to(7))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, LockError::Lock(error) if error.is_busy()),
        "{error}"
    );
}

#[tokio::test]
async fn a_lost_lock_cancels_and_no_quorum_fails_closed() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let service = {
        let orders = Arc::clone(&orders);
        service_fn(move |_: Message| {
            let orders = Arc::clone(&orders);
            async move {
                orders.run().await;
                Ok::<_, Infallible>(())
            }
        })
    };
    let layer = LockLayer::new(redlock, key)
        .no_wait()
        .ttl(Duration::from_millis(400));
    let closed = layer.clone().layer(service.clone());
    let running = tokio::spawn(closed.clone().oneshot(to(7)));
    orders.wait_entered(1).await;
    cluster.node(0).stop();
    cluster.node(1).stop();
    assert!(matches!(
        within(SOON, running).await.unwrap(),
        Err(LockError::Lost)
    ));
    assert_eq!((orders.running(), orders.finished()), (0, 0));
    assert!(
        matches!(closed.oneshot(to(7)).await, Err(LockError::Lock(error)) if error.is_no_quorum())
    );
    orders.unblock(1);
    layer
        .fail_open()
        .layer(service)
        .oneshot(to(7))
        .await
        .unwrap();
}
