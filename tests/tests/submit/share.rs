//! Duplicates of a running request get its response, on two instances that share a store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    middleware::map_request,
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderName, StatusCode, header::SET_COOKIE};
use redlock::{WaiterLimit, memory::Nodes};
use redlock_tower::{
    BusyStatus, Reason, RedlockLayer,
    key::{Header, Identity},
    replay::{Begun, MemoryStore, RedisStore, ReplayStore, ShareOptions},
};
use tests::{
    eventually,
    web::{Answer, DAY, Orders, SOON, by_user, connect, request, send, start},
};
use tokio::task::JoinHandle;

type Layer = RedlockLayer<Identity<Header>>;
type Options = ShareOptions<MemoryStore>;

/// A service on two instances, whose handler responds as its test says.
struct Service {
    instances: Vec<Router>,
    arrived: Arc<AtomicUsize>,
    orders: Arc<Orders>,
}

impl Service {
    async fn new(orders: Arc<Orders>, share: Options, answer: fn(usize) -> Response) -> Self {
        Self::with(orders, share, answer, |layer| layer).await
    }

    async fn with(
        orders: Arc<Orders>,
        share: Options,
        answer: fn(usize) -> Response,
        set: fn(Layer) -> Layer,
    ) -> Self {
        let nodes = Nodes::new(3);
        let arrived = Arc::<AtomicUsize>::default();
        let mut instances = Vec::new();
        for _ in 0..2 {
            let (runs, arrived) = (Arc::clone(&orders), Arc::clone(&arrived));
            let handler = async move |_: String| {
                let run = runs.entered();
                runs.run().await;
                answer(run)
            };
            let layer = set(RedlockLayer::new(connect(&nodes).await, by_user()));
            let count = move |request: Request| {
                arrived.fetch_add(1, SeqCst);
                std::future::ready(request)
            };
            instances.push(
                Router::new()
                    .route("/orders", post(handler))
                    .layer(layer.share_with(share.clone()))
                    .layer(map_request(count)),
            );
        }
        Self {
            instances,
            arrived,
            orders,
        }
    }

    fn start(&self, instance: usize) -> JoinHandle<Answer> {
        start(&self.instances[instance], order("ann", "one"))
    }

    async fn send(&self, instance: usize) -> Answer {
        send(&self.instances[instance], order("ann", "one")).await
    }

    /// One request that runs, and a duplicate on each instance.
    async fn three(&self) -> Vec<JoinHandle<Answer>> {
        let runs = self.orders.entered();
        let mut clients = vec![self.start(0)];
        self.orders.wait_entered(runs + 1).await;
        let arrived = self.arrived.load(SeqCst);
        clients.extend([self.start(0), self.start(1)]);
        eventually(SOON, async || self.arrived.load(SeqCst) == arrived + 2).await;
        clients
    }
}

fn order(user: &str, body: &str) -> http::Request<Body> {
    request("POST", "/orders", &[("x-user-id", user)], body)
}

fn created(run: usize) -> Response {
    (
        StatusCode::CREATED,
        [("x-run", run.to_string())],
        format!("run {run}"),
    )
        .into_response()
}

/// Only requests that run are shared.
fn strict() -> Options {
    ShareOptions::new(MemoryStore::new()).window(Duration::ZERO)
}

async fn answers(clients: Vec<JoinHandle<Answer>>) -> Vec<Answer> {
    let mut answers = Vec::new();
    for client in clients {
        answers.push(client.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn duplicates_on_both_instances_get_the_first_answer() {
    let service = Service::new(Orders::blocked(), strict(), created).await;
    let clients = service.three().await;
    service.orders.unblock(9);
    for answer in answers(clients).await {
        let got = (answer.status, answer.header("x-run"), answer.text());
        assert_eq!(got, (201, "0", "run 0"));
        assert_eq!(answer.header("idempotency-replayed"), "");
    }
    assert_eq!(service.orders.entered(), 1);
}

#[tokio::test]
async fn a_request_after_the_end_runs_and_its_duplicates_get_its_answer() {
    let service = Service::new(Orders::blocked(), strict(), created).await;
    for run in ["run 0", "run 1", "run 2"] {
        let clients = service.three().await;
        service.orders.unblock(1);
        for answer in answers(clients).await {
            assert_eq!((answer.status, answer.text()), (201, run));
        }
    }
    assert_eq!(service.orders.entered(), 3);
}

#[tokio::test]
async fn a_duplicate_within_the_window_gets_the_answer() {
    let options = strict().window(DAY);
    let service = Service::new(Orders::unblocked(), options, created).await;
    assert_eq!(service.send(0).await.text(), "run 0");
    assert_eq!(service.send(1).await.text(), "run 0");
    assert_eq!(service.send(0).await.text(), "run 0");
}

#[tokio::test]
async fn other_users_and_other_bodies_run_side_by_side() {
    let options = strict().headers([HeaderName::from_static("accept")]);
    let service = Service::new(Orders::blocked(), options, created).await;
    let headers = [("x-user-id", "ann"), ("accept", "text/html")];
    let clients = vec![
        service.start(0),
        start(&service.instances[1], order("ann", "two")),
        start(&service.instances[0], order("bob", "one")),
        start(
            &service.instances[1],
            request("POST", "/orders?a=1", &headers[..1], "one"),
        ),
        start(
            &service.instances[1],
            request("POST", "/orders", &headers, "one"),
        ),
    ];
    service.orders.wait_entered(5).await;
    assert_eq!(service.orders.running(), 5);
    service.orders.unblock(5);
    let mut texts: Vec<_> = answers(clients)
        .await
        .iter()
        .map(|answer| answer.text().to_owned())
        .collect();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 5);
}

#[tokio::test]
async fn an_error_is_shared_and_a_refusal_is_not() {
    let failed = |_| (StatusCode::BAD_GATEWAY, "failed").into_response();
    let service = Service::new(Orders::blocked(), strict(), failed).await;
    let clients = service.three().await;
    service.orders.unblock(9);
    for answer in answers(clients).await {
        assert_eq!((answer.status, answer.text()), (502, "failed"));
    }
    assert_eq!(service.orders.entered(), 1);

    let refused = |_| StatusCode::TOO_MANY_REQUESTS.into_response();
    let service = Service::new(Orders::blocked(), strict(), refused).await;
    let clients = service.three().await;
    service.orders.unblock(9);
    answers(clients).await;
    assert_eq!(
        (service.orders.entered(), service.orders.max_running()),
        (3, 1)
    );
}

#[tokio::test]
async fn which_answers_are_shared_is_configurable() {
    let failed = |_| StatusCode::BAD_GATEWAY.into_response();
    let options = strict().share_if(|head| head.status.is_success());
    let service = Service::new(Orders::blocked(), options, failed).await;
    let clients = service.three().await;
    service.orders.unblock(9);
    answers(clients).await;
    assert_eq!(
        (service.orders.entered(), service.orders.max_running()),
        (3, 1)
    );
}

#[tokio::test]
async fn a_duplicate_of_an_answer_that_cannot_be_shared_is_busy() {
    let with_cookie = |_| ([(SET_COOKIE, "a=b")], "done").into_response();
    let too_large = |_| "x".repeat(65 * 1024).into_response();
    let stream = |_| ([("content-type", "text/event-stream")], "data: 1\n\n").into_response();
    for answer in [with_cookie, too_large, stream] {
        let busy = |layer: Layer| layer.busy_status(BusyStatus::Locked);
        let service = Service::with(Orders::blocked(), strict(), answer, busy).await;
        let mut clients = service.three().await;
        service.orders.unblock(1);
        let first = clients.remove(0).await.unwrap();
        let whole = answer(0);
        assert_eq!(first.status, 200);
        assert_eq!(
            first.headers.get(SET_COOKIE),
            whole.headers().get(SET_COOKIE)
        );
        assert!(!first.body.is_empty());
        for duplicate in answers(clients).await {
            assert_eq!(duplicate.reason(), Some(Reason::Busy));
            assert_eq!((duplicate.status, duplicate.retry_after()), (423, Some(1)));
        }
        assert_eq!(service.orders.entered(), 1);
        // The next one is no duplicate.
        service.orders.unblock(1);
        assert_eq!(service.send(1).await.status, 200);
    }
}

#[tokio::test]
async fn cookies_and_larger_bodies_are_shared_on_request() {
    let answer = |_| ([(SET_COOKIE, "a=b")], "x".repeat(65 * 1024)).into_response();
    let options = strict().cookies().max_response(70_000);
    let service = Service::new(Orders::blocked(), options, answer).await;
    let clients = service.three().await;
    service.orders.unblock(1);
    for answer in answers(clients).await {
        assert_eq!(
            (answer.header("set-cookie"), answer.body.len()),
            ("a=b", 65 * 1024)
        );
    }
}

#[tokio::test]
async fn the_first_client_may_leave() {
    let service = Service::new(Orders::blocked(), strict(), created).await;
    let mut clients = service.three().await;
    let first = clients.remove(0);
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    service.orders.unblock(1);
    for answer in answers(clients).await {
        assert_eq!(answer.text(), "run 0");
    }
}

#[tokio::test]
async fn after_a_panic_the_next_one_runs() {
    let panics = |run: usize| match run {
        0 => panic!("on purpose"),
        _ => created(run),
    };
    let service = Service::new(Orders::blocked(), strict(), panics).await;
    let mut clients = service.three().await;
    service.orders.unblock(9);
    assert!(clients.remove(0).await.unwrap_err().is_panic());
    for answer in answers(clients).await {
        assert_eq!(answer.text(), "run 1");
    }
}

#[tokio::test]
async fn waiting_is_bounded_in_number_and_time() {
    let few = |layer: Layer| layer.max_waiters(&WaiterLimit::new(1, 100));
    let service = Service::with(Orders::blocked(), strict(), created, few).await;
    let mut clients = vec![service.start(0)];
    service.orders.wait_entered(1).await;
    clients.push(service.start(0));
    eventually(SOON, async || service.arrived.load(SeqCst) == 2).await;
    assert_eq!(service.send(0).await.reason(), Some(Reason::TooManyWaiters));
    service.orders.unblock(1);
    assert_eq!(answers(clients).await[1].text(), "run 0");

    let short = |layer: Layer| layer.wait(Duration::from_millis(50));
    let service = Service::with(Orders::blocked(), strict(), created, short).await;
    let first = service.start(0);
    service.orders.wait_entered(1).await;
    for instance in [0, 1] {
        let answer = service.send(instance).await;
        assert_eq!(answer.reason(), Some(Reason::TimedOut));
    }
    service.orders.unblock(1);
    assert_eq!(first.await.unwrap().text(), "run 0");
}

#[tokio::test]
async fn a_request_body_above_the_limit_is_413() {
    let small = |layer: Layer| layer.max_body(2);
    let service = Service::with(Orders::unblocked(), strict(), created, small).await;
    assert_eq!(service.send(0).await.reason(), Some(Reason::BodyTooLarge));
    assert_eq!(service.orders.entered(), 0);
}

/// A record that has an hour left, or more than a day.
async fn an_old_record_is_discarded(store: impl ReplayStore) {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    let redlock = connect(&Nodes::new(3)).await;
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let guard = redlock.lock("k").await.unwrap();
        tokens.push(guard.token());
        guard.release().await.unwrap();
    }
    let (first, second) = (tokens[0], tokens[1]);
    let begin =
        async |token, min_left| store.begin_recent("a", token, DAY, min_left).await.unwrap();
    assert_eq!(begin(first, HOUR).await, Begun::Fresh);
    assert!(
        store
            .finish("a", first, b"old".to_vec(), DAY)
            .await
            .unwrap()
    );
    let recorded = Begun::Recorded(b"old".to_vec());
    assert_eq!(begin(second, HOUR).await, recorded);
    assert_eq!(begin(second, Duration::ZERO).await, recorded);
    assert_eq!(begin(second, DAY + HOUR).await, Begun::Fresh);
    assert_eq!(begin(second, Duration::ZERO).await, Begun::Fresh);
    assert_eq!(begin(first, DAY + HOUR).await, Begun::Stale);
    assert!(
        !store
            .finish("a", first, b"late".to_vec(), DAY)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn stores_discard_a_record_that_is_too_old() {
    an_old_record_is_discarded(MemoryStore::new()).await;
    let cluster = tests::Cluster::start(1).await;
    an_old_record_is_discarded(RedisStore::new(&cluster.node(0).url()).unwrap()).await;
}
