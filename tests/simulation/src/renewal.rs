//! A panic in the task that renews leases, caused by a `tracing` subscriber.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use redlock::{
    Redlock,
    memory::{Node, Nodes},
};
use tokio::time::sleep;
use tracing::{
    Event, Metadata, Subscriber,
    span::{Attributes, Id, Record},
};

/// Panics at the first event of a lock.
struct Panicking(Arc<AtomicBool>);

impl Subscriber for Panicking {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        if event.metadata().target() == "redlock::lock" && !self.0.swap(true, SeqCst) {
            panic!("panic of the test's subscriber");
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// E5: the task goes on, and the lease is renewed in time.
#[tokio::test(start_paused = true)]
async fn e5_a_panic_in_the_renewal_ends_neither_it_nor_the_lease() {
    let ttl = Duration::from_secs(3);
    let nodes = Nodes::new(3);
    let redlock = Redlock::connect(nodes.nodes()).await.expect("a client");
    let held = redlock.lock("invoice:42").ttl(ttl).keep_alive(true);
    let held = held.await.expect("free");

    let panicked = Arc::new(AtomicBool::new(false));
    let subscriber = tracing::subscriber::set_default(Panicking(Arc::clone(&panicked)));
    // The first renewal fails, and the next one would succeed.
    nodes.nodes().iter().for_each(Node::stop);
    sleep(ttl * 2 / 5).await;
    nodes.nodes().iter().for_each(Node::start);
    assert!(panicked.load(SeqCst), "the renewal has failed by now");

    drop(subscriber);
    sleep(ttl * 4).await;
    assert!(!held.is_lost(), "kept alive");
}
