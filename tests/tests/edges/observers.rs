//! A subscriber and a recorder of metrics that panic whenever they hear of a lock or of a request: each request gets its answer,
//! and no lock is kept.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::Router;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use redlock::Redlock;
use redlock_tower::{
    LockLayer, OnDisconnect, RedlockLayer,
    replay::{MemoryStore, Quorum},
};
use tests::{
    Cluster, eventually,
    web::{DAY, Orders, by_user, order, request, send, start, submit},
    within,
};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};
use tracing::{Event, Id, Subscriber, span::Attributes, span::Record};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
};

use crate::SOON;

/// How often something has panicked. Nothing does while it is zero.
type Panics = Arc<AtomicUsize>;

struct Panicking(Panics);

impl Panicking {
    fn hear(&self, of: &str) {
        let ours = of.starts_with("redlock") && self.0.load(SeqCst) > 0;
        if ours {
            self.0.fetch_add(1, SeqCst);
        }
        assert!(!ours, "the log is full");
    }

    fn hear_span<S: Subscriber + for<'a> LookupSpan<'a>>(&self, id: &Id, of: &Context<'_, S>) {
        if let Some(metadata) = of.metadata(id) {
            self.hear(metadata.target());
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Panicking {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.hear(event.metadata().target());
    }

    fn on_new_span(&self, span: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        // Half of them begin, so that the other panics have spans.
        if self.0.load(SeqCst) % 2 == 1 {
            self.hear(span.metadata().target());
        }
    }

    fn on_record(&self, id: &Id, _: &Record<'_>, context: Context<'_, S>) {
        self.hear_span(id, &context);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        self.hear_span(id, &context);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        self.hear_span(id, &context);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.hear_span(&id, &context);
    }
}

impl Recorder for Panicking {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.hear(name.as_str());
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.hear(name.as_str());
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.hear(name.as_str());
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.hear(key.name());
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.hear(key.name());
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.hear(key.name());
        Histogram::noop()
    }
}

/// Runs `scene` in silence, and then with a subscriber alone, a recorder alone and both that panic: its outcome is the same.
async fn the_same<T: PartialEq + std::fmt::Debug>(scene: impl AsyncFn() -> T) {
    let panics = Panics::default();
    let expected = scene().await;
    {
        let subscriber = Registry::default().with(Panicking(Arc::clone(&panics)));
        let _subscriber = tracing::subscriber::set_default(subscriber);
        panics.store(1, SeqCst);
        assert_eq!(scene().await, expected, "with a subscriber that panics");
        assert!(panics.load(SeqCst) > 3, "it has heard of the requests");
        panics.store(0, SeqCst);
    }
    let recorder = Panicking(Arc::clone(&panics));
    let _recorder = metrics::set_default_local_recorder(&recorder);
    panics.store(1, SeqCst);
    assert_eq!(scene().await, expected, "with a recorder that panics");
    assert!(panics.load(SeqCst) > 3, "it has counted the requests");
}

fn locked_routes(redlock: &Redlock, orders: &Arc<Orders>) -> Router {
    let layer = RedlockLayer::new(redlock.clone(), by_user()).required();
    orders.route().layer(layer.no_wait().dedupe_for(DAY))
}

/// Grants, refusals, cool-downs, missing keys, and an outage.
#[tokio::test]
async fn requests_of_the_layer_are_answered() {
    the_same(async || {
        let cluster = Cluster::start(3).await;
        let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
        let orders = Orders::blocked();
        let app = locked_routes(&redlock, &orders);
        let mut answers = Vec::new();
        let first = start(&app, order("ann"));
        orders.wait_entered(1).await;
        answers.push(send(&app, order("ann")).await);
        orders.unblock(100);
        answers.push(within(SOON, first).await.expect("no panic"));
        answers.push(send(&app, order("ann")).await);
        answers.push(send(&app, request("POST", "/orders", &[], "")).await);
        // Without a cool-down the key is free.
        let layer = RedlockLayer::new(redlock.clone(), by_user()).fail_open();
        let plain = orders
            .route()
            .layer(layer.on_disconnect(OnDisconnect::Finish));
        for _ in 0..2 {
            answers.push(send(&plain, order("bob")).await);
        }
        eventually(SOON, async || {
            cluster.locked_on("/orders:x-user-id=bob").await.is_empty()
        })
        .await;
        for node in cluster.nodes() {
            node.kill();
        }
        answers.push(send(&app, order("eve")).await);
        answers.push(send(&plain, order("eve")).await);
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [409, 201, 409, 400, 201, 201, 503, 201]);
        statuses
    })
    .await;
}

/// Records and shared responses, with stores that work and one that fails.
#[tokio::test]
async fn responses_are_recorded_and_replayed() {
    the_same(async || {
        let cluster = Cluster::start(3).await;
        let redlock = Redlock::builder().nodes(cluster.urls());
        let redlock = redlock.restart_guard(redlock::RestartGuard::Off).connect();
        let redlock = redlock.await.expect("three nodes");
        let orders = Orders::unblocked();
        let layer = || RedlockLayer::new(redlock.clone(), by_user()).namespace("orders");
        let on_nodes = orders
            .route()
            .layer(layer().replay(Quorum::new(&redlock), DAY));
        let in_memory = orders.route().layer(layer().share(MemoryStore::new()));
        let mut seen = Vec::new();
        for (app, key, body) in [
            (&on_nodes, "1", "a book"),
            (&on_nodes, "1", "a book"),
            (&on_nodes, "1", "two books"),
            (&in_memory, "2", "a pen"),
            (&in_memory, "2", "a pen"),
        ] {
            let answer = send(app, submit("/orders", key, body)).await;
            seen.push((answer.status, answer.is_replayed()));
        }
        assert_eq!(seen[..3], [(201, false), (201, true), (422, false)]);
        for node in &cluster.nodes()[1..] {
            node.kill();
        }
        let answer = send(&on_nodes, submit("/orders", "3", "a book")).await;
        seen.push((answer.status, answer.is_replayed()));
        (seen, orders.entered())
    })
    .await;
}

#[redlock::redlock(key = "draft:{name}", ttl = "10s", wait = "100ms", lock = redlock)]
async fn save(redlock: &Redlock, name: &str, orders: &Orders) -> Result<(), redlock::Error> {
    orders.run().await;
    Ok(())
}

/// Functions with the attribute, requests of a lock, and a service behind `LockLayer`.
#[tokio::test]
async fn calls_and_guards_end_as_without_an_observer() {
    the_same(async || {
        let cluster = Cluster::start(3).await;
        let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
        let orders = Orders::unblocked();
        save(&redlock, "a", &orders).await.expect("free");
        let guard = redlock.lock("draft:a").await.expect("free again");
        let busy = save(&redlock, "a", &orders).await.expect_err("held");
        assert!(busy.is_timed_out(), "{busy}");
        guard.release().await.expect("held");
        drop(redlock.lock("draft:a").await.expect("released"));
        let run = redlock
            .lock("draft:a")
            .wait(SOON)
            .run(async |_| orders.run().await);
        run.await.expect("released");
        let waiter = redlock.lock("draft:a").wait(Duration::from_millis(50));
        let held = redlock.lock("draft:a").await.expect("released");
        waiter.await.expect_err("held");
        held.release().await.expect("held");
        let layer = LockLayer::new(redlock.clone(), |_: &u8| Some("draft:a".to_owned()));
        let echo = service_fn(async |number: u8| Ok::<_, std::io::Error>(number));
        let service = ServiceBuilder::new().layer(layer).service(echo);
        let echoed = service.oneshot(7).await.expect("free");
        eventually(SOON, async || cluster.locked_on("draft:a").await.is_empty()).await;
        (orders.finished(), echoed)
    })
    .await;
}
