//! Retries of a client that gave up.

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    routing::post,
};
use futures_util::stream;
use http::{HeaderMap, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use redlock_tower::{
    KeyExtractor as _, OnDisconnect, OnLost, RedlockLayer, key, replay::MemoryStore,
};
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tests::eventually;
use tests::web::{DAY, SOON, by_user, read, redlock, serve, submit};
use tokio::sync::Semaphore;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

/// Counts the steps of a handler that charges a payment.
#[derive(Default)]
struct Payments {
    begun: AtomicUsize,
    charged: AtomicUsize,
    gone: AtomicUsize,
}

/// Counts handlers that were dropped, at any step.
struct Gone(Arc<Payments>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.gone.fetch_add(1, SeqCst);
    }
}

fn charging(payments: &Arc<Payments>, unblock: &Arc<Semaphore>) -> Router {
    let (payments, unblock) = (Arc::clone(payments), Arc::clone(unblock));
    let handler = move |_: Request| async move {
        let _gone = Gone(Arc::clone(&payments));
        payments.begun.fetch_add(1, SeqCst);
        unblock.acquire().await.unwrap().forget();
        format!("charge {}", payments.charged.fetch_add(1, SeqCst) + 1)
    };
    Router::new().route("/pay", post(handler))
}

/// A client with its own connection, which it closes after a time-out.
async fn pay(to: SocketAddr, patience: Duration) -> reqwest::Result<(u16, String)> {
    let client = reqwest::Client::builder().timeout(patience).build()?;
    let request = client
        .post(format!("http://{to}/pay"))
        .header("x-user-id", "ann")
        .header("idempotency-key", "1");
    let response = request.send().await?;
    Ok((response.status().as_u16(), response.text().await?))
}

/// The client times out, and retries until it has a response. The layer is that of the example in the docs.
#[tokio::test]
async fn f41_a_client_that_times_out_and_retries_is_charged_once() {
    let per_submit = by_user().and(key::idempotency_key());
    let layer = RedlockLayer::new(redlock().await, per_submit)
        .required()
        .replay(MemoryStore::new(), DAY);
    let (payments, unblock) = (Arc::<Payments>::default(), Arc::new(Semaphore::new(0)));
    let address = serve(charging(&payments, &unblock).layer(layer)).await;

    let gave_up = pay(address, Duration::from_millis(300)).await.unwrap_err();
    assert!(gave_up.is_timeout(), "{gave_up}");
    eventually(SOON, async || payments.begun.load(SeqCst) == 1).await;
    // Only the first payment runs.
    let (status, _) = pay(address, SOON).await.unwrap();
    assert_eq!((status, payments.gone.load(SeqCst)), (409, 0));
    unblock.add_permits(10);
    eventually(SOON, async || {
        pay(address, SOON).await.unwrap() == (200, "charge 1".to_owned())
    })
    .await;
    let counts = (payments.begun.load(SeqCst), payments.charged.load(SeqCst));
    assert_eq!(counts, (1, 1));
}

/// As above, with an outer time-out layer, which drops the future of the service.
#[tokio::test]
async fn f41_a_retry_after_an_outer_time_out_is_not_run_twice() {
    let layer = RedlockLayer::new(redlock().await, by_user())
        .wait(SOON)
        .replay(MemoryStore::new(), DAY);
    let (payments, unblock) = (Arc::<Payments>::default(), Arc::new(Semaphore::new(0)));
    let app = charging(&payments, &unblock).layer(layer);
    let request = || submit("/pay", "1", "");

    let patience = Duration::from_millis(100);
    let first = tower::ServiceExt::oneshot(app.clone(), request());
    assert!(tokio::time::timeout(patience, first).await.is_err());
    eventually(SOON, async || payments.begun.load(SeqCst) == 1).await;
    let retry = tokio::spawn(tower::ServiceExt::oneshot(app.clone(), request()));
    unblock.add_permits(10);
    let answer = read(retry.await.unwrap().unwrap()).await;
    assert!(answer.is_replayed());
    let counts = (payments.begun.load(SeqCst), payments.charged.load(SeqCst));
    assert_eq!(counts, (1, 1));
}

/// The lock is lost while the body of a request arrives. Its handler never begins, also with `OnLost::Signal` (F14).
#[tokio::test]
async fn f14_a_request_whose_lock_was_lost_before_its_body_arrived_does_not_begin() {
    for on_lost in [OnLost::Cancel, OnLost::Signal] {
        let layer = RedlockLayer::new(redlock().await, by_user())
            .max_hold(Duration::from_millis(200))
            .on_lost(on_lost)
            .replay(MemoryStore::new(), DAY);
        let (payments, unblock) = (Arc::<Payments>::default(), Arc::new(Semaphore::new(10)));
        let app = charging(&payments, &unblock).layer(layer);
        let slow = stream::once(async {
            tokio::time::sleep(Duration::from_millis(600)).await;
            Ok::<_, Infallible>(Bytes::from_static(b"5 EUR"))
        });
        let request = submit("/pay", "1", Body::from_stream(slow));
        let answer = tests::within(SOON, tower::ServiceExt::oneshot(app, request)).await;
        assert_eq!(answer.unwrap().status(), 503, "{on_lost:?}");
        assert_eq!(payments.begun.load(SeqCst), 0, "{on_lost:?}");
    }
}

/// For handlers that write nothing before their last await.
#[tokio::test]
async fn f41_cancelling_is_configurable() {
    let layer = RedlockLayer::new(redlock().await, by_user()).on_disconnect(OnDisconnect::Cancel);
    let layer = layer.replay(MemoryStore::new(), DAY);
    let (payments, unblock) = (Arc::<Payments>::default(), Arc::new(Semaphore::new(0)));
    let address = serve(charging(&payments, &unblock).layer(layer)).await;
    let gave_up = pay(address, Duration::from_millis(300)).await.unwrap_err();
    assert!(gave_up.is_timeout(), "{gave_up}");
    eventually(SOON, async || payments.gone.load(SeqCst) == 1).await;
    assert_eq!(payments.charged.load(SeqCst), 0);
}

/// The status of a gRPC call is in its trailers, which the client no longer reads.
#[tokio::test]
async fn f41_a_grpc_success_after_a_disconnect_starts_the_cool_down() {
    for (status, then) in [("0", "6"), ("14", "14")] {
        let layer = RedlockLayer::new(redlock().await, key::header("x-user-id"))
            .no_wait()
            .dedupe_for(Duration::from_secs(50))
            .on_disconnect(OnDisconnect::Finish)
            .grpc();
        let (payments, unblock) = (Arc::<Payments>::default(), Arc::new(Semaphore::new(0)));
        let service = layer.layer(calls(&payments, &unblock, status));
        let call = || submit("/shop.Shop/Pay", "1", "");
        let first = tokio::spawn(service.clone().oneshot(call()));
        eventually(SOON, async || payments.begun.load(SeqCst) == 1).await;
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        unblock.add_permits(10);
        // Busy while the first one runs.
        eventually(SOON, async || {
            let response = service.clone().oneshot(call()).await.unwrap();
            let (head, body) = response.into_parts();
            let trailers = body.collect().await.unwrap().trailers().cloned();
            let code = head.headers.get("grpc-status").cloned();
            let code = code.or_else(|| trailers?.get("grpc-status").cloned());
            code.is_some_and(|code| code == then)
        })
        .await;
        // A cool-down rejects the second call. Without one it has run.
        let ran_again = payments.begun.load(SeqCst) > 1;
        assert_eq!(ran_again, status == "14", "status {status}");
    }
}

/// A gRPC service whose calls end with this status.
fn calls(
    payments: &Arc<Payments>,
    unblock: &Arc<Semaphore>,
    status: &'static str,
) -> impl Service<Request, Response = Response<Body>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ use<> {
    let (payments, unblock) = (Arc::clone(payments), Arc::clone(unblock));
    service_fn(move |_: Request| {
        let (payments, unblock) = (Arc::clone(&payments), Arc::clone(&unblock));
        async move {
            payments.begun.fetch_add(1, SeqCst);
            unblock.acquire().await.unwrap().forget();
            let trailers = [("grpc-status".parse().unwrap(), status.parse().unwrap())];
            let frames = [
                Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"paid"))),
                Ok(Frame::trailers(HeaderMap::from_iter(trailers))),
            ];
            let body = Body::new(StreamBody::new(stream::iter(frames)));
            let response = Response::builder().header("content-type", "application/grpc");
            Ok(response.body(body).unwrap())
        }
    })
}
