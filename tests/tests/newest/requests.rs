//! Requests and guards: who is superseded, when, and what is left.

use std::{
    future::IntoFuture as _,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use futures_util::FutureExt as _;
use redlock::{LockOptions, LockRequest, Redlock, Result, memory};
use tests::{Cluster, eventually, web, within};
use tokio::{sync::Notify, task::JoinHandle};

use crate::BOUND;

/// A body that runs until it is cancelled or released, and shows both.
#[derive(Default)]
struct Body {
    running: AtomicUsize,
    cancelled: AtomicUsize,
    end: Notify,
}

struct Running<'a>(&'a Body, bool);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
        self.0.cancelled.fetch_add(usize::from(!self.1), SeqCst);
    }
}

impl Body {
    fn start(self: &Arc<Self>, request: LockRequest) -> JoinHandle<Result<()>> {
        let body = Arc::clone(self);
        tokio::spawn(async move {
            let run = async |_| {
                body.running.fetch_add(1, SeqCst);
                let mut running = Running(&body, false);
                body.end.notified().await;
                running.1 = true;
            };
            request.wait(BOUND).run(run).await
        })
    }

    #[track_caller]
    fn runs(&self) -> impl Future<Output = ()> {
        eventually(BOUND, async || self.running.load(SeqCst) == 1)
    }
}

async fn two_clients() -> (memory::Nodes, Redlock, Redlock) {
    let nodes = memory::Nodes::new(3);
    let (one, other) = (web::connect(&nodes).await, web::connect(&nodes).await);
    (nodes, one, other)
}

fn newest(redlock: &Redlock) -> LockRequest {
    redlock.lock("draft").newest_wins(true)
}

async fn superseded(request: JoinHandle<Result<()>>) {
    let error = within(BOUND, request).await.unwrap().unwrap_err();
    assert!(error.is_superseded(), "{error:?}");
    assert!(
        !error.is_lost() && error.retry_after().is_none(),
        "{error:?}"
    );
}

/// The newest supersedes the one that holds the lock in another process.
#[tokio::test]
async fn the_body_of_an_older_request_is_cancelled_before_that_of_a_newer_one_begins() {
    let (nodes, one, other) = two_clients().await;
    let (older, newer) = (Arc::<Body>::default(), Arc::<Body>::default());
    for (first, second) in [(&one, &other), (&one, &one), (&other, &one)] {
        let holder = older.start(newest(first));
        older.runs().await;
        let waiter = newer.start(newest(second));
        newer.runs().await;
        assert_eq!(older.running.load(SeqCst), 0, "its body was dropped before");
        superseded(holder).await;
        newer.end.notify_one();
        within(BOUND, waiter).await.unwrap().unwrap();
    }
    assert_eq!(older.cancelled.load(SeqCst), 3);
    assert_eq!(newer.cancelled.load(SeqCst), 0);
    let is_free = async || !one.is_locked("draft").await.unwrap();
    eventually(BOUND, is_free).await;
    drop(nodes);
}

/// A holder that does not take part is waited for. The requests that wait behind it supersede each other.
#[tokio::test]
async fn of_the_requests_that_wait_only_the_newest_is_left() {
    let (_nodes, one, other) = two_clients().await;
    let holder = one.lock("draft").await.unwrap();
    let body = Arc::<Body>::default();
    let mut waiting = Vec::new();
    for redlock in [&one, &other, &one, &one, &other, &other] {
        waiting.push(body.start(newest(redlock)));
        // Each one is known to the nodes before the next one is made: the one before has given up.
        if let Some(at) = waiting.len().checked_sub(2) {
            eventually(BOUND, async || waiting[at].is_finished()).await;
        }
    }
    assert!(
        !holder.is_lost(),
        "a request without the option is not superseded"
    );
    let last = waiting.pop().unwrap();
    for request in waiting {
        superseded(request).await;
    }
    assert!(!last.is_finished());
    holder.release().await.unwrap();
    body.runs().await;
    body.end.notify_one();
    within(BOUND, last).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_guard_that_is_superseded_is_lost_and_its_key_is_free() {
    let (_nodes, one, other) = two_clients().await;
    let older = newest(&one).await.unwrap();
    let held = older.held();
    assert!(!older.is_superseded());
    let newer = within(BOUND, newest(&other).wait(BOUND)).await.unwrap();
    assert!(newer.token() > older.token());
    within(BOUND, older.lost()).await;
    assert!(older.is_lost() && older.is_superseded() && held.is_superseded());
    assert!(!newer.is_lost() && !newer.is_superseded());
    assert!(older.extend().await.unwrap_err().is_superseded());
    assert!(older.release().await.unwrap_err().is_superseded());
    newer.release().await.unwrap();
    assert!(!one.is_locked("draft").await.unwrap());
}

/// A request that ended before the newer one was made is not superseded by it.
#[tokio::test]
async fn requests_one_after_the_other_supersede_nobody() {
    let (_nodes, one, other) = two_clients().await;
    for redlock in [&one, &one, &other, &one, &other, &other] {
        let value = within(BOUND, newest(redlock).run(async |held| held.token()));
        value.await.unwrap();
    }
}

/// Several in one process, of which none waits for another to have reached the nodes.
#[tokio::test]
async fn of_many_requests_at_once_one_runs_last() {
    let (_nodes, one, other) = two_clients().await;
    let (body, mut requests) = (Arc::<Body>::default(), Vec::new());
    for _ in 0..20 {
        requests.push(body.start(newest(&one)));
        requests.push(body.start(newest(&other)));
    }
    eventually(BOUND, async || {
        requests
            .iter()
            .filter(|request| !request.is_finished())
            .count()
            == 1
    })
    .await;
    body.runs().await;
    body.end.notify_one();
    let mut finished = 0;
    for request in requests {
        match within(BOUND, request).await.unwrap() {
            Ok(()) => finished += 1,
            Err(error) => assert!(error.is_superseded(), "{error:?}"),
        }
    }
    assert_eq!(finished, 1);
}

/// Servers whose clients may not publish: nobody is notified of anything.
async fn without_notifications() -> Cluster {
    let cluster = Cluster::start(3).await;
    for node in cluster.nodes() {
        let mut command = redis::cmd("ACL");
        command.arg(&["SETUSER", "default", "-publish"]);
        let () = node.ask(&command).await;
    }
    cluster
}

async fn client(cluster: &Cluster) -> Redlock {
    let builder = Redlock::builder().nodes(cluster.urls());
    let builder = builder.ttl(Duration::from_secs(3));
    builder.connect().await.unwrap()
}

/// The holder notices the newer request when it announces itself again.
#[tokio::test]
async fn a_holder_that_is_not_notified_is_superseded_within_its_ttl() {
    let cluster = without_notifications().await;
    let (one, other) = (client(&cluster).await, client(&cluster).await);
    let (older, newer) = (Arc::<Body>::default(), Arc::<Body>::default());
    let holder = older.start(newest(&one));
    older.runs().await;
    let waiter = newer.start(newest(&other));
    superseded(holder).await;
    newer.runs().await;
    newer.end.notify_one();
    within(BOUND, waiter).await.unwrap().unwrap();
}

/// What the nodes know of the newest request.
async fn known(cluster: &Cluster) -> Vec<Option<String>> {
    let mut known = Vec::new();
    for node in cluster.nodes() {
        known.push(node.get("{draft}{}:newest").await);
    }
    known
}

/// It asks once more when it has the lock, whichever of the two has it first.
#[tokio::test]
async fn a_waiter_that_is_not_notified_is_superseded_when_it_gets_the_lock() {
    let cluster = without_notifications().await;
    let (one, other) = (client(&cluster).await, client(&cluster).await);
    let holder = client(&cluster).await.lock("draft").await.unwrap();
    let (older, newer) = (Arc::<Body>::default(), Arc::<Body>::default());
    let first = older.start(newest(&one));
    eventually(BOUND, async || {
        known(&cluster).await.iter().all(Option::is_some)
    })
    .await;
    let before = known(&cluster).await;
    let second = newer.start(newest(&other));
    eventually(BOUND, async || {
        let now = known(&cluster).await;
        now.iter().zip(&before).all(|(now, before)| now != before)
    })
    .await;
    assert!(!first.is_finished(), "it was notified");
    newer.end.notify_one();
    holder.release().await.unwrap();
    superseded(first).await;
    within(BOUND, second).await.unwrap().unwrap();
    assert_eq!(older.cancelled.load(SeqCst), 0, "its body never began");
}

#[tokio::test]
async fn options_that_contradict_it_are_named() {
    let (_nodes, one, _) = two_clients().await;
    let text = async |options: LockOptions| {
        let error = newest(&one).options(options).await.unwrap_err();
        assert!(error.is_invalid(), "{error:?}");
        error.to_string()
    };
    let mut wanted = LockOptions::default();
    wanted.newest_wins = true;
    let with = |change: fn(&mut LockOptions)| {
        let mut options = wanted.clone();
        change(&mut options);
        options
    };
    let cases = [
        ("no_wait", with(|o| o.wait = Some(Duration::ZERO))),
        ("fencing(false)", with(|o| o.fencing = Some(false))),
        ("permits", with(|o| o.permits = Some(2))),
        ("read", with(|o| o.read = true)),
        ("write", with(|o| o.write = true)),
        ("reentrant", with(|o| o.reentrant = true)),
        (
            "dedupe_for",
            with(|o| o.dedupe_for = Some(Duration::from_secs(1))),
        ),
        (
            "at_least",
            with(|o| o.at_least = Some(Duration::from_secs(1))),
        ),
    ];
    for (option, options) in cases {
        let text = text(options).await;
        assert!(
            text.contains(&format!("`newest_wins` and `{option}`")),
            "{text}"
        );
    }
}

/// The runtime of a holder may end while its guard lives on in another one.
#[test]
fn a_holder_whose_runtime_has_ended_is_superseded() {
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let (first, second, fresh) = (runtime(), runtime(), runtime());
    let cluster = second.block_on(Cluster::start(3));
    let connect = || async { Redlock::connect(cluster.urls()).await.unwrap() };
    let (one, other) = (first.block_on(connect()), second.block_on(connect()));
    let in_one = first.block_on(newest(&one).into_future()).unwrap();
    drop(first);
    let held = in_one.held();
    // It has not used the client before.
    let body = fresh.spawn(in_one.run(std::future::pending::<()>()));
    second.block_on(async {
        newest(&other).wait(BOUND).run(async |_| ()).await.unwrap();
        let error = within(BOUND, body).await.unwrap().unwrap_err();
        assert!(error.is_superseded() && held.is_superseded(), "{error:?}");
    });
}

/// Dropped while they announce themselves, wait, confirm or hold.
#[tokio::test(start_paused = true)]
async fn requests_that_are_given_up_leave_nothing_behind() {
    let nodes = memory::Nodes::new(3);
    let (one, other) = (web::connect(&nodes).await, web::connect(&nodes).await);
    for step in 0..200 {
        let redlock = if step % 3 == 0 { &one } else { &other };
        let request =
            newest(redlock).run(async |_| tokio::time::sleep(Duration::from_millis(2)).await);
        let given_up = tokio::time::timeout(Duration::from_micros(step * 37 % 3_000), request);
        let beside = newest(&other).run(async |_| ());
        let (_, beside) = tokio::join!(given_up, beside);
        assert!(beside.is_ok() || beside.is_err_and(|error| error.is_superseded()));
    }
    for redlock in [&one, &other] {
        within(BOUND, newest(redlock).run(async |_| ()))
            .await
            .unwrap();
    }
    web::all_free(&nodes).await;
    assert!(format!("{one:?}").contains("keys: 0"), "{one:?}");
}

type Request = Pin<Box<dyn Future<Output = Result<redlock::Guard>> + Send>>;

/// Drops its request when it is woken, once it is told to.
struct Drops {
    request: Mutex<Option<Request>>,
    now: AtomicBool,
    outer: Mutex<Waker>,
}

impl Wake for Drops {
    fn wake(self: Arc<Self>) {
        if self.now.load(SeqCst)
            && let Ok(mut request) = self.request.try_lock()
        {
            drop(request.take());
        }
        self.outer.lock().unwrap().wake_by_ref();
    }
}

/// The notification of a newer request is the wake-up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_dropped_by_its_own_waker_blocks_nothing() {
    let cluster = Cluster::start(3).await;
    let connect = || async { Redlock::connect(cluster.urls()).await.unwrap() };
    let (one, other) = (connect().await, connect().await);
    let held = other.lock("draft").await.unwrap();
    let drops = Arc::new(Drops {
        request: Mutex::new(Some(newest(&one).wait(BOUND).into_future().boxed())),
        now: AtomicBool::new(false),
        outer: Mutex::new(Waker::noop().clone()),
    });
    let polled = Arc::clone(&drops);
    let older = tokio::spawn(std::future::poll_fn(move |cx| {
        cx.waker().clone_into(&mut polled.outer.lock().unwrap());
        let waker = Waker::from(Arc::clone(&polled));
        match &mut *polled.request.lock().unwrap() {
            Some(request) => match request.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(done) => panic!("{done:?}"),
                Poll::Pending => Poll::Pending,
            },
            None => Poll::Ready(()),
        }
    }));
    eventually(BOUND, async || {
        let holder = other.holder("draft").await.unwrap();
        holder.is_some_and(|holder| holder.waiting == 1)
    })
    .await;
    drops.now.store(true, SeqCst);
    let newer = tokio::spawn(newest(&other).wait(BOUND).into_future());
    within(BOUND, older).await.unwrap();
    drop(within(BOUND, one.try_lock("another")).await.unwrap());
    held.release().await.unwrap();
    drop(within(BOUND, newer).await.unwrap().unwrap());
}
