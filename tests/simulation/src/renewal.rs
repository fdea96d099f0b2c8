//! A panic in the task that renews leases, caused by a waker.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Wake},
    time::Duration,
};

use redlock::{Redlock, memory::Nodes};
use tokio::time::sleep;

/// A waker of an executor of the user's own. It panics in a task alone: a timer would wake it in the runtime itself.
#[derive(Default)]
struct Panicking(AtomicUsize);

impl Wake for Panicking {
    fn wake(self: Arc<Self>) {
        if tokio::task::try_id().is_some() {
            self.0.fetch_add(1, SeqCst);
            panic!("panic of the test's waker");
        }
    }
}

/// E5: the task goes on, and the lease is renewed in time. It ends the hold of another lock, which wakes the next waiter.
#[tokio::test(start_paused = true)]
async fn e5_a_panic_in_the_renewal_ends_neither_it_nor_the_lease() {
    let ttl = Duration::from_secs(3);
    let nodes = Nodes::new(3);
    let redlock = Redlock::connect(nodes.nodes()).await.expect("a client");
    let held = redlock.lock("invoice:42").ttl(ttl).await.expect("free");
    let short = redlock.lock("invoice:43").ttl(ttl).max_hold(ttl / 10);
    let short = short.await.expect("free");
    let waiter = redlock.lock("invoice:43").wait(ttl).into_future();
    let mut waiter = Box::pin(waiter);
    let waker = Arc::<Panicking>::default();
    let polled = waiter
        .as_mut()
        .poll(&mut Context::from_waker(&Arc::clone(&waker).into()));
    assert!(polled.is_pending());

    sleep(ttl / 5).await;
    assert_eq!(waker.0.load(SeqCst), 1, "the hold is over");

    drop((waiter, short));
    sleep(ttl * 4).await;
    assert!(!held.is_lost(), "kept alive");
}
