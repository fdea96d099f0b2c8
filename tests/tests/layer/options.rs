//! The options that a layer shares with a lock request have the same effect.

use redlock::WaiterLimit;
use redlock_tower::{LockError, LockLayer, Reason, RedlockLayer, key};
use std::{
    future::{Pending, pending},
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};
use tests::web::{Orders, SOON, all_free, locks, order, send, start};
use tests::{eventually, within};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

const AT_LEAST: Duration = Duration::from_secs(50);

#[tokio::test]
async fn without_keep_alive_the_lock_is_lost_with_its_ttl() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .ttl(Duration::from_millis(300))
        .keep_alive(false);
    let app = orders.route().layer(layer);
    let answer = within(SOON, send(&app, order("ann"))).await;
    assert_eq!(answer.reason(), Some(Reason::Lost));
    assert_eq!((orders.entered(), orders.finished()), (1, 0));
    all_free(&cluster).await;
}

#[tokio::test]
async fn at_least_keeps_the_key_busy_after_any_response() {
    let (_cluster, redlock) = locks().await;
    for status in [201, 500] {
        let handler = async move || http::StatusCode::from_u16(status).unwrap();
        let layer = RedlockLayer::new(redlock.clone(), key::header("x-user-id"))
            .namespace(status.to_string())
            .at_least(AT_LEAST);
        let app = axum::Router::new()
            .route("/orders", axum::routing::post(handler))
            .layer(layer);
        assert_eq!(send(&app, order("ann")).await.status, status);
        let again = send(&app, order("ann")).await;
        assert_eq!(again.reason(), Some(Reason::Answered), "{status}");
        let left = again.retry_after().unwrap();
        assert!((30..=50).contains(&left), "{status}: {left}");
    }
}

#[tokio::test]
async fn a_shorter_dedupe_for_does_not_shorten_at_least() {
    let (_cluster, redlock) = locks().await;
    let orders = Orders::unblocked();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .at_least(AT_LEAST)
        .dedupe_for(Duration::from_secs(1));
    let app = orders.route().layer(layer);
    assert_eq!(send(&app, order("ann")).await.status, 201);
    let left = send(&app, order("ann")).await.retry_after().unwrap();
    assert!((30..=50).contains(&left), "{left}");
}

#[tokio::test]
async fn at_least_and_keep_alive_with_lock_layer() {
    let (_cluster, redlock) = locks().await;
    let key = |key: &String| Some(key.clone());
    let failing = LockLayer::new(redlock.clone(), key)
        .at_least(AT_LEAST)
        .layer(service_fn(async |_: String| {
            Err::<(), _>(io::Error::other("on purpose"))
        }));
    let error = failing.clone().oneshot("a".to_owned()).await.unwrap_err();
    assert!(matches!(error, LockError::Inner(_)), "{error}");
    let error = failing.oneshot("a".to_owned()).await.unwrap_err();
    assert!(
        matches!(&error, LockError::Lock(error) if error.is_cooling_down()),
        "{error}"
    );

    let pending = LockLayer::new(redlock, key)
        .ttl(Duration::from_millis(300))
        .keep_alive(false)
        .layer(service_fn(|_: String| pending::<Result<(), io::Error>>()));
    let error = within(SOON, pending.oneshot("b".to_owned())).await;
    assert!(matches!(error, Err(LockError::Lost)), "{error:?}");
}

#[tokio::test]
async fn two_layers_share_a_limit_on_waiters() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let limit = WaiterLimit::new(1, 1);
    let app = |namespace: &str| {
        let layer = RedlockLayer::new(redlock.clone(), key::header("x-user-id"))
            .namespace(namespace)
            .max_waiters(&limit);
        orders.route().layer(layer)
    };
    let (first, second) = (app("first"), app("second"));
    let running = [start(&first, order("ann")), start(&second, order("ann"))];
    orders.wait_entered(2).await;
    let waits = start(&first, order("ann"));
    eventually(SOON, async || format!("{limit:?}").contains("waiting: 1")).await;
    let rejected = send(&second, order("ann")).await;
    assert_eq!(rejected.reason(), Some(Reason::TooManyWaiters));
    orders.unblock(3);
    for answer in running.into_iter().chain([waits]) {
        assert_eq!(within(SOON, answer).await.unwrap().status, 201);
    }
    all_free(&cluster).await;
}

/// Ready for its caller, and not for a request that has its lock: it fails then, or waits for ever.
#[derive(Clone)]
struct NeverBegins {
    asked: Arc<AtomicUsize>,
    fails: bool,
}

impl Service<String> for NeverBegins {
    type Response = ();
    type Error = io::Error;
    type Future = Pending<io::Result<()>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.asked.fetch_add(1, SeqCst) {
            0 => Poll::Ready(Ok(())),
            _ if self.fails => Poll::Ready(Err(io::Error::other("on purpose"))),
            _ => Poll::Pending,
        }
    }

    fn call(&mut self, _: String) -> Self::Future {
        pending()
    }
}

#[tokio::test]
async fn at_least_is_for_handlers_that_begin() {
    let (cluster, redlock) = locks().await;
    for fails in [true, false] {
        let inner = NeverBegins {
            asked: Arc::default(),
            fails,
        };
        let asked = Arc::clone(&inner.asked);
        let locked = LockLayer::new(redlock.clone(), |key: &String| Some(key.clone()))
            .at_least(AT_LEAST)
            .layer(inner);
        let request = locked.oneshot("a".to_owned());
        if fails {
            let error = within(SOON, request).await.unwrap_err();
            assert!(matches!(error, LockError::Inner(_)), "{error}");
        } else {
            let under_the_lock = eventually(SOON, async || asked.load(SeqCst) > 1);
            tokio::select! {
                done = request => panic!("{done:?}"),
                () = under_the_lock => {}
            }
        }
        all_free(&cluster).await;
        let free = redlock.lock("a").no_wait().await.unwrap();
        free.release().await.unwrap();
    }
}
