//! Functions that return their future: `#[async_trait]`, `impl Future`, a boxed one.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use redlock::{Redlock, Result, redlock};

use crate::app_error::AppError;
use tests::World;

#[async_trait]
trait Store: Send + Sync {
    async fn put(&mut self, pair: (String, u32)) -> Result<u32, AppError>;
    async fn get(&self, name: &str) -> Option<u32>;
    async fn share(self: Arc<Self>) -> Result<u32, AppError>;
    async fn tidy(&self);

    #[redlock(key = "store:describe", ttl = "10s", lock = self.locks())]
    async fn describe(&self) -> Result<&'static str, AppError> {
        Ok("a store")
    }

    fn locks(&self) -> Redlock;
}

struct Memory {
    name: &'static str,
    value: u32,
    locks: Redlock,
}

#[async_trait]
impl Store for Memory {
    #[redlock(key = "{self.name}:{name}", ttl = "10s", lock = self.locks)]
    async fn put(&mut self, (name, value): (String, u32)) -> Result<u32, AppError> {
        if name.is_empty() {
            return Err(AppError::Own("no name"));
        }
        self.value = value;
        Ok(self.value)
    }

    #[redlock(key("{}:{name}", self.name), ttl = "10s", lock = self.locks, on_busy = skip)]
    async fn get(&self, name: &str) -> Option<u32> {
        let value = (name == "a").then_some(self.value)?;
        Some(value)
    }

    #[redlock(key = self.name, ttl = "10s", lock = self.locks)]
    async fn share(self: Arc<Self>) -> Result<u32, AppError> {
        Ok(self.value)
    }

    #[redlock(key = "{self.name}:tidy", ttl = "10s", lock = self.locks(), on_busy = skip)]
    async fn tidy(&self) {
        assert_eq!(self.name, "m");
    }

    fn locks(&self) -> Redlock {
        self.locks.clone()
    }
}

#[tokio::test]
async fn async_trait_methods() {
    let world = World::new().await;
    let mut store = Memory {
        name: "m",
        value: 0,
        locks: world.locks.clone(),
    };
    let boxed: &mut dyn Store = &mut store;
    assert_eq!(boxed.put(("a".into(), 3)).await.unwrap(), 3);
    assert!(boxed.put((String::new(), 3)).await.is_err());
    assert_eq!(boxed.get("a").await, Some(3));
    assert_eq!(boxed.describe().await.unwrap(), "a store");
    boxed.tidy().await;

    let held = world.busy("m:a").await;
    assert_eq!(boxed.get("a").await, None);
    held.release().await.unwrap();

    let held = world.busy("m:tidy").await;
    let twin = Memory {
        name: "m",
        value: 0,
        locks: world.locks.clone(),
    };
    twin.tidy().await;
    drop(held);
    assert_eq!(Arc::new(store).share().await.unwrap(), 3);
}

#[redlock(key = "future:{n}", ttl = "10s", lock = locks)]
#[expect(clippy::manual_async_fn, reason = "this form is what is tested")]
fn as_impl(locks: Redlock, n: u32) -> impl Future<Output = Result<u32, AppError>> + Send {
    async move { Ok(n + 1) }
}

#[redlock(key = "boxed:{n}", ttl = "10s", lock = locks)]
fn as_box<'a>(
    locks: &'a Redlock,
    n: &'a mut u32,
) -> Pin<Box<dyn Future<Output = Result<(), AppError>> + Send + 'a>> {
    assert_eq!(*n, 1, "what stands before the future runs at once");
    Box::pin(async move {
        *n += 1;
        Ok(())
    })
}

#[tokio::test]
async fn functions_that_end_in_an_async_block() {
    let world = World::new().await;
    assert_eq!(as_impl(world.locks.clone(), 1).await.unwrap(), 2);
    let mut n = 1;
    as_box(&world.locks, &mut n).await.unwrap();
    assert_eq!(n, 2);
    assert!(!world.is_held("boxed:1"));
}
