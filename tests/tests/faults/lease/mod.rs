//! Leases, hand-over, renewal and the end of a hold.

mod blocking;
mod body_first;
mod durations;
mod handed_over;
mod max_hold;
mod owners;
mod renewal;
mod tokens;

use std::{
    future::{Future, IntoFuture},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use futures_util::FutureExt as _;
use redlock::{LockRequest, Redlock};
use tests::{Cluster, within};
use tokio::task::JoinHandle;

/// Longer than any step of these tests.
const BOUND: Duration = Duration::from_secs(20);

async fn client(cluster: &Cluster) -> Redlock {
    Redlock::connect(cluster.urls()).await.expect("a quorum")
}

/// Lets every task of this thread's runtime run.
async fn settle_down() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// A request in progress.
type Asked = <LockRequest as IntoFuture>::IntoFuture;

/// Hands a lease over to `last`, whose task has not run since.
///
/// A lease can be handed over if a request waited when it was granted, and only shortly after that. A busy machine may
/// miss that: then it is tried again.
async fn handed_over<T>(
    ask: impl Fn() -> Asked,
    last: impl Fn() -> JoinHandle<T>,
) -> JoinHandle<T> {
    for _ in 0..200 {
        let first = ask().await.expect("free");
        let second = tokio::spawn(ask());
        let last = last();
        settle_down().await;
        first.release().await.expect("held");
        let second = within(BOUND, second).await.expect("no panic");
        // A release that completes at once has asked no node.
        if second.expect("a turn").release().now_or_never().is_some() {
            return last;
        }
        within(BOUND, last).await.expect("no panic");
    }
    panic!("no lease was handed over");
}

/// Runs a future on a thread and a runtime of its own, which this test cannot stall.
fn elsewhere<T, F>(work: impl FnOnce() -> F + Send + 'static) -> mpsc::Receiver<T>
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let _ = send.send(runtime.block_on(work()));
    });
    receive
}

/// A value that a body owns: dropping it takes time, and is recorded.
struct Owned {
    takes: Duration,
    gone: Arc<AtomicBool>,
}

impl Drop for Owned {
    fn drop(&mut self) {
        thread::sleep(self.takes);
        self.gone.store(true, SeqCst);
    }
}
