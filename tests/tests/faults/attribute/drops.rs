//! Arguments are dropped under the lock, in the order in which any function drops them.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use redlock::{Redlock, Result, redlock};

use tests::World;

/// What was dropped, and whether the key was held at that time.
#[derive(Clone)]
struct Log {
    world: World,
    seen: Arc<Mutex<Vec<(&'static str, bool)>>>,
}

impl Log {
    async fn new() -> Self {
        Self {
            world: World::new().await,
            seen: Arc::default(),
        }
    }

    fn value(&self, name: &'static str) -> Value {
        Value {
            name,
            id: 7,
            log: self.clone(),
        }
    }

    fn locks(&self) -> &Redlock {
        &self.world.locks
    }

    fn take(&self) -> Vec<(&'static str, bool)> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// All dropped under the lock, in this order.
    fn assert(&self, names: &[&'static str]) {
        let expected: Vec<_> = names.iter().map(|name| (*name, true)).collect();
        assert_eq!(self.take(), expected);
    }
}

struct Value {
    name: &'static str,
    id: u8,
    log: Log,
}

impl Drop for Value {
    fn drop(&mut self) {
        let held = self.log.world.is_held("k:7");
        self.log.seen.lock().unwrap().push((self.name, held));
    }
}

struct Pair(Value, Value);

#[redlock(key = "k:{a.id}", ttl = "10s", lock = log.locks())]
async fn named(log: &Log, a: Value, _b: Value, c: Value) -> Result<()> {
    let _local = log.value("local");
    assert_eq!(c.name, "c");
    Ok(())
}

/// The same without the attribute: the expected order.
async fn plain(log: &Log, a: Value, _b: Value, c: Value) {
    let _local = log.value("local");
    assert_eq!(a.id, 7);
    assert_eq!(c.name, "c");
}

#[redlock(key = "k:7", ttl = "10s", lock = log.locks(), guard = held)]
async fn patterns(log: Log, _: Value, Pair(_a, _): Pair, (_, _c): (Value, Value)) -> Result<()> {
    assert_eq!(held.key(), "k:7");
    Ok(())
}

#[redlock(key = "k:7", ttl = "10s", lock = log.locks())]
async fn rests(log: &Log, (_a, ..): (Value, Value, Value), [.., _b]: [Value; 3]) -> Result<()> {
    Ok(())
}

#[redlock(key = "k:7", ttl = "10s", lock = log.locks(), condition = true, fail_open)]
async fn fails(log: Log, _permit: Value) -> Result<()> {
    Err(redlock::get_default().unwrap_err())
}

#[redlock(key = "k:7", ttl = "10s", lock = log.locks(), max_hold = "100ms")]
async fn cut_short(log: Log, _permit: Value) -> Result<()> {
    std::future::pending().await
}

impl Value {
    #[redlock(key = "k:{self.id}", ttl = "10s", lock = locks)]
    async fn by_self(self, locks: &Redlock) -> Result<()> {
        Ok(())
    }

    #[redlock(key = "k:{self.id}", ttl = "10s", lock = locks)]
    async fn by_arc(self: Arc<Self>, locks: &Redlock) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
trait Store {
    async fn put(self: Box<Self>, log: &Log, value: Value, pair: Pair) -> Result<()>;
}

#[async_trait]
impl Store for Value {
    #[redlock(key = "k:{value.id}", ttl = "10s", lock = log.locks())]
    async fn put(self: Box<Self>, log: &Log, value: Value, Pair(a, b): Pair) -> Result<()> {
        Ok(())
    }
}

#[redlock(key = "k:{value.id}", ttl = "10s", lock = locks)]
#[expect(clippy::manual_async_fn, reason = "this form is what is tested")]
fn returned(locks: Redlock, value: Value) -> impl Future<Output = Result<()>> + Send {
    async move { Ok(()) }
}

#[tokio::test]
async fn f32_arguments_are_dropped_under_the_lock_in_their_order() {
    let log = Log::new().await;
    let value = |name| log.value(name);
    named(&log, value("a"), value("b"), value("c"))
        .await
        .unwrap();
    log.assert(&["local", "c", "b", "a"]);
    plain(&log, value("a"), value("b"), value("c")).await;
    let unlocked = ["local", "c", "b", "a"].map(|name| (name, false));
    assert_eq!(log.take(), unlocked);

    patterns(
        log.clone(),
        value("1"),
        Pair(value("2"), value("3")),
        (value("4"), value("5")),
    )
    .await
    .unwrap();
    log.assert(&["5", "4", "3", "2", "1"]);
}

#[tokio::test]
async fn f32_the_rest_of_a_tuple_and_of_an_array_is_dropped_under_the_lock() {
    let log = Log::new().await;
    let tuple = ["1", "2", "3"].map(|name| log.value(name));
    let array = ["4", "5", "6"].map(|name| log.value(name));
    rests(&log, tuple.into(), array).await.unwrap();
    let mut dropped = log.take();
    dropped.sort_unstable();
    let under_the_lock = ["1", "2", "3", "4", "5", "6"].map(|name| (name, true));
    assert_eq!(dropped, under_the_lock);
}

#[tokio::test]
async fn f32_the_order_holds_for_every_ending_and_kind_of_function() {
    let log = Log::new().await;
    let value = |name| log.value(name);
    fails(log.clone(), value("fails")).await.unwrap_err();
    log.assert(&["fails"]);
    value("self").by_self(log.locks()).await.unwrap();
    log.assert(&["self"]);
    Arc::new(value("arc")).by_arc(log.locks()).await.unwrap();
    log.assert(&["arc"]);
    let store: Box<dyn Store> = Box::new(value("store"));
    store
        .put(&log, value("value"), Pair(value("x"), value("y")))
        .await
        .unwrap();
    log.assert(&["y", "x", "value", "store"]);
    returned(log.locks().clone(), value("returned"))
        .await
        .unwrap();
    log.assert(&["returned"]);
    assert!(
        cut_short(log.clone(), value("cut"))
            .await
            .unwrap_err()
            .is_lost()
    );
    assert_eq!(log.take().len(), 1);
    log.world.free("k:7").await;
}
