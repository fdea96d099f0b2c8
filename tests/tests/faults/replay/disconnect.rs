//! A client that gave up and tries again.

use super::{DAY, SOON, by_user, locks};
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
use tokio::{net::TcpListener, sync::Semaphore};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

/// Charges in two steps, with a door between them.
#[derive(Default)]
struct Till {
    begun: AtomicUsize,
    charged: AtomicUsize,
    gone: AtomicUsize,
}

/// Counts handlers that were dropped, at whatever step.
struct Gone(Arc<Till>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.gone.fetch_add(1, SeqCst);
    }
}

fn charging(till: &Arc<Till>, door: &Arc<Semaphore>) -> Router {
    let (till, door) = (Arc::clone(till), Arc::clone(door));
    let handler = move |_: Request| async move {
        let _gone = Gone(Arc::clone(&till));
        till.begun.fetch_add(1, SeqCst);
        door.acquire().await.unwrap().forget();
        format!("charge {}", till.charged.fetch_add(1, SeqCst) + 1)
    };
    Router::new().route("/pay", post(handler))
}

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// A client on a connection of its own, which closes it when its time is over.
async fn pay(to: SocketAddr, patience: Duration) -> reqwest::Result<(u16, String)> {
    let client = reqwest::Client::builder().timeout(patience).build()?;
    let request = client
        .post(format!("http://{to}/pay"))
        .header("x-user-id", "ann")
        .header("idempotency-key", "1");
    let response = request.send().await?;
    Ok((response.status().as_u16(), response.text().await?))
}

/// The client of the docs' own example times out, and tries until it has an answer.
#[tokio::test]
async fn f41_a_client_that_times_out_and_retries_is_charged_once() {
    let per_submit = by_user().and(key::idempotency_key());
    let layer = RedlockLayer::new(locks().await, per_submit)
        .required()
        .replay(MemoryStore::new(), DAY);
    let (till, door) = (Arc::<Till>::default(), Arc::new(Semaphore::new(0)));
    let address = serve(charging(&till, &door).layer(layer)).await;

    let gave_up = pay(address, Duration::from_millis(300)).await.unwrap_err();
    assert!(gave_up.is_timeout(), "{gave_up}");
    eventually(SOON, async || till.begun.load(SeqCst) == 1).await;
    // the first one still runs
    let (status, _) = pay(address, SOON).await.unwrap();
    assert_eq!((status, till.gone.load(SeqCst)), (409, 0));
    door.add_permits(10);
    eventually(SOON, async || {
        pay(address, SOON).await.unwrap() == (200, "charge 1".to_owned())
    })
    .await;
    let counts = (till.begun.load(SeqCst), till.charged.load(SeqCst));
    assert_eq!(counts, (1, 1));
}

/// The same for a time-out of a layer outside, which drops the service's future.
#[tokio::test]
async fn f41_a_time_out_outside_of_the_layer_runs_nothing_twice() {
    let layer = RedlockLayer::new(locks().await, by_user())
        .wait(SOON)
        .replay(MemoryStore::new(), DAY);
    let (till, door) = (Arc::<Till>::default(), Arc::new(Semaphore::new(0)));
    let app = charging(&till, &door).layer(layer);
    let request = || super::submit("/pay", "1", "");

    let patience = Duration::from_millis(100);
    let first = tower::ServiceExt::oneshot(app.clone(), request());
    assert!(tokio::time::timeout(patience, first).await.is_err());
    eventually(SOON, async || till.begun.load(SeqCst) == 1).await;
    let retry = tokio::spawn(tower::ServiceExt::oneshot(app.clone(), request()));
    door.add_permits(10);
    let answer = super::read(retry.await.unwrap().unwrap()).await;
    assert!(super::replayed(&answer));
    let counts = (till.begun.load(SeqCst), till.charged.load(SeqCst));
    assert_eq!(counts, (1, 1));
}

/// A body that comes slowly is read under the lock. When the lock is lost meanwhile, the handler never begins, also where one
/// that runs would be signalled only (F14).
#[tokio::test]
async fn f14_a_request_whose_lock_was_lost_before_its_body_came_does_not_begin() {
    for on_lost in [OnLost::Cancel, OnLost::Signal] {
        let layer = RedlockLayer::new(locks().await, by_user())
            .max_hold(Duration::from_millis(200))
            .on_lost(on_lost)
            .replay(MemoryStore::new(), DAY);
        let (till, door) = (Arc::<Till>::default(), Arc::new(Semaphore::new(10)));
        let app = charging(&till, &door).layer(layer);
        let slow = stream::once(async {
            tokio::time::sleep(Duration::from_millis(600)).await;
            Ok::<_, Infallible>(Bytes::from_static(b"5 EUR"))
        });
        let request = super::submit("/pay", "1", Body::from_stream(slow));
        let answer = tests::within(SOON, tower::ServiceExt::oneshot(app, request)).await;
        assert_eq!(answer.unwrap().status(), 503, "{on_lost:?}");
        assert_eq!(till.begun.load(SeqCst), 0, "{on_lost:?}");
    }
}

/// A handler that writes nothing before its last await may be cancelled, where the program says so.
#[tokio::test]
async fn f41_cancelling_is_a_choice() {
    let layer = RedlockLayer::new(locks().await, by_user()).on_disconnect(OnDisconnect::Cancel);
    let layer = layer.replay(MemoryStore::new(), DAY);
    let (till, door) = (Arc::<Till>::default(), Arc::new(Semaphore::new(0)));
    let address = serve(charging(&till, &door).layer(layer)).await;
    let gave_up = pay(address, Duration::from_millis(300)).await.unwrap_err();
    assert!(gave_up.is_timeout(), "{gave_up}");
    eventually(SOON, async || till.gone.load(SeqCst) == 1).await;
    assert_eq!(till.charged.load(SeqCst), 0);
}

/// A gRPC call tells its success behind its answer, which nobody reads any more: its window opens all the same.
#[tokio::test]
async fn f41_the_window_of_a_grpc_call_opens_although_its_client_is_gone() {
    for (status, then) in [("0", "6"), ("14", "14")] {
        let layer = RedlockLayer::new(locks().await, key::header("x-user-id"))
            .no_wait()
            .dedupe_for(Duration::from_secs(50))
            .on_disconnect(OnDisconnect::Finish)
            .grpc();
        let (till, door) = (Arc::<Till>::default(), Arc::new(Semaphore::new(0)));
        let service = layer.layer(calls(&till, &door, status));
        let call = || super::submit("/shop.Shop/Pay", "1", "");
        let first = tokio::spawn(service.clone().oneshot(call()));
        eventually(SOON, async || till.begun.load(SeqCst) == 1).await;
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        door.add_permits(10);
        // busy for as long as the first is at work
        eventually(SOON, async || {
            let response = service.clone().oneshot(call()).await.unwrap();
            let (head, body) = response.into_parts();
            let trailers = body.collect().await.unwrap().trailers().cloned();
            let told = head.headers.get("grpc-status").cloned();
            let told = told.or_else(|| trailers?.get("grpc-status").cloned());
            told.is_some_and(|told| told == then)
        })
        .await;
        // A window keeps the second call out; without one it has run.
        let ran_again = till.begun.load(SeqCst) > 1;
        assert_eq!(ran_again, status == "14", "status {status}");
    }
}

/// A gRPC service whose calls end with this status.
fn calls(
    till: &Arc<Till>,
    door: &Arc<Semaphore>,
    status: &'static str,
) -> impl Service<Request, Response = Response<Body>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ use<> {
    let (till, door) = (Arc::clone(till), Arc::clone(door));
    service_fn(move |_: Request| {
        let (till, door) = (Arc::clone(&till), Arc::clone(&door));
        async move {
            till.begun.fetch_add(1, SeqCst);
            door.acquire().await.unwrap().forget();
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
