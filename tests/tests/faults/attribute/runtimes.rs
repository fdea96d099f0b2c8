//! Runtimes that lack what locks need: an error, never a panic.

use std::{future::IntoFuture as _, time::Duration};

use redlock::{Redlock, Result, memory, redlock};
use tests::world::BOUND;
use tests::{Cluster, eventually};
use tokio::runtime::{Builder, Runtime};

fn whole() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn without_timers() -> [Runtime; 2] {
    [
        Builder::new_current_thread().enable_io().build().unwrap(),
        Builder::new_multi_thread()
            .worker_threads(1)
            .enable_io()
            .build()
            .unwrap(),
    ]
}

#[redlock(key = "k", ttl = "10s", lock = locks)]
async fn annotated(locks: &Redlock) -> Result<()> {
    Ok(())
}

fn refused<T: std::fmt::Debug>(answer: Result<T>) {
    let error = answer.unwrap_err();
    assert!(error.is_invalid(), "{error}");
    assert!(error.to_string().contains("enable_all"), "{error}");
}

async fn each_is_an_error(locks: &Redlock) {
    refused(locks.try_lock("k").await);
    refused(locks.lock("k").await);
    refused(locks.lock("k").wait(Duration::MAX).await);
    refused(locks.lock("k").run(async |_| ()).await);
    refused(locks.lock_all(["k", "l"]).await);
    refused(annotated(locks).await);
    refused(locks.holder("k").await);
    refused(locks.force_release("k").await);
}

#[test]
fn f30_a_runtime_without_timers_is_an_error() {
    let outside = whole();
    let cluster = outside.block_on(Cluster::start(3));
    let nodes = memory::Nodes::new(3);
    for runtime in without_timers() {
        let connected = runtime.block_on(Redlock::connect(nodes.nodes()));
        refused(connected);
        refused(runtime.block_on(Redlock::connect(cluster.urls())));
        for locks in [
            outside.block_on(Redlock::connect(nodes.nodes())).unwrap(),
            outside.block_on(Redlock::connect(cluster.urls())).unwrap(),
        ] {
            runtime.block_on(each_is_an_error(&locks));
            // Even if the key is held in this process, so that the request would wait in the local queue.
            let guard = outside.block_on(locks.lock("k").into_future()).unwrap();
            runtime.block_on(async { refused(locks.lock("k").await) });
            runtime.block_on(async {
                assert!(futures_util::FutureExt::now_or_never(guard.lost()).is_none());
                refused(guard.release().await);
            });
            outside.block_on(eventually(BOUND, async || {
                locks.try_lock("k").await.is_ok()
            }));
            drop(outside.block_on(locks.lock("k").into_future()).unwrap());
            runtime.block_on(locks.close());
        }
    }
}

#[test]
fn f30_a_runtime_without_sockets_is_an_error_if_they_are_needed() {
    let outside = whole();
    let cluster = outside.block_on(Cluster::start(1));
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    refused(runtime.block_on(Redlock::connect(cluster.urls())));
    let locks = outside.block_on(Redlock::connect(cluster.urls())).unwrap();
    runtime.block_on(each_is_an_error(&locks));
    runtime.block_on(async {
        let nodes = memory::Nodes::new(3);
        let locks = Redlock::connect(nodes.nodes()).await.unwrap();
        locks.lock("k").await.unwrap().release().await.unwrap();
    });
}

#[test]
fn f30_a_client_can_be_closed_without_a_runtime() {
    let locks = whole().block_on(async {
        let nodes = memory::Nodes::new(3);
        Redlock::connect(nodes.nodes()).await.unwrap()
    });
    assert_eq!(
        futures_util::FutureExt::now_or_never(locks.close()),
        Some(0)
    );
}
