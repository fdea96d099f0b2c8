//! Attributes in any order, whatever the others do to the function.

use std::sync::Arc;

use async_trait::async_trait;
use redlock::{Redlock, Result, redlock};
use tracing::instrument;

use tests::World;

#[derive(Debug)]
struct Pair(u32, u32);

#[async_trait]
trait Store {
    async fn above(&mut self, pair: Pair, name: &str) -> Result<String>;
    async fn below(&mut self, pair: (u32, u32), name: &str) -> Result<String>;
    async fn errs(self: Arc<Self>, pair: Pair) -> Result<String>;
    async fn unit(&self, pair: Pair, seen: &mut Vec<String>);
    async fn twice(&self, pair: Pair) -> Result<String>;
    async fn associated(locks: &Redlock, pair: Pair) -> Result<String>
    where
        Self: Sized;
}

struct Memory(Redlock);

#[async_trait]
impl Store for Memory {
    #[instrument(skip(self))]
    #[redlock(key = "k:{a}:{b}:{name}", ttl = "10s", lock = self.0, guard = held)]
    async fn above(&mut self, Pair(a, b): Pair, name: &str) -> Result<String> {
        assert!(a < b);
        Ok(held.key().to_owned())
    }

    #[redlock(key = "k:{a}:{b}:{name}", ttl = "10s", lock = self.0, guard = held)]
    #[instrument(skip(self))]
    async fn below(&mut self, (a, b): (u32, u32), name: &str) -> Result<String> {
        assert!(a < b);
        Ok(held.key().to_owned())
    }

    #[instrument(skip_all, ret, err)]
    #[redlock(key("k:{}:{b}", a + 1), ttl = "10s", lock = self.0, guard = held)]
    async fn errs(self: Arc<Self>, Pair(a, b): Pair) -> Result<String> {
        Ok(held.key().to_owned())
    }

    #[instrument(skip_all)]
    #[redlock(key = "k:{a}:{b}", ttl = "10s", lock = self.0, guard = held, on_busy = skip)]
    async fn unit(&self, Pair(a, b): Pair, seen: &mut Vec<String>) {
        seen.push(held.key().to_owned());
    }

    #[instrument(skip_all)]
    #[redlock(key = "outer:{a}", ttl = "10s", lock = self.0)]
    #[redlock(key = "inner:{b}", ttl = "10s", lock = self.0, guard = held)]
    #[instrument(skip_all)]
    async fn twice(&self, Pair(a, b): Pair) -> Result<String> {
        Ok(held.key().to_owned())
    }

    #[instrument(skip_all, err)]
    #[redlock(key = "k:{a}:{b}", ttl = "10s", lock = locks, guard = held)]
    async fn associated(locks: &Redlock, Pair(a, b): Pair) -> Result<String> {
        Ok(held.key().to_owned())
    }
}

#[instrument(skip_all, err)]
#[redlock(key = "k:{a}:{b}", ttl = "10s", lock = locks, guard = held)]
async fn patterns(locks: &Redlock, Pair(a, b): Pair, _: u8) -> Result<String> {
    Ok(held.key().to_owned())
}

#[redlock(key = "k:{a}:{b}", ttl = "10s", lock = locks, guard = held)]
#[instrument(skip_all, err)]
async fn patterns_below(locks: &Redlock, Pair(a, b): Pair, _: World) -> Result<String> {
    Ok(held.key().to_owned())
}

#[tokio::test]
async fn f31_attributes_may_be_in_any_order() {
    let world = World::new().await;
    let locks = &world.locks;
    let mut store = Memory(locks.clone());
    assert_eq!(store.above(Pair(1, 2), "x").await.unwrap(), "k:1:2:x");
    assert_eq!(store.below((1, 2), "x").await.unwrap(), "k:1:2:x");
    let mut seen = Vec::new();
    store.unit(Pair(1, 2), &mut seen).await;
    assert_eq!(seen, ["k:1:2"]);
    assert_eq!(store.twice(Pair(1, 2)).await.unwrap(), "inner:2");
    assert_eq!(Arc::new(store).errs(Pair(1, 2)).await.unwrap(), "k:2:2");
    let key = Memory::associated(locks, Pair(1, 2)).await.unwrap();
    assert_eq!(key, "k:1:2");
    assert_eq!(patterns(locks, Pair(1, 2), 0).await.unwrap(), "k:1:2");
    let key = patterns_below(locks, Pair(1, 2), world.clone()).await;
    assert_eq!(key.unwrap(), "k:1:2");
}
