//! Traits with async functions, and with `#[async_trait]`.
#![deny(
    warnings,
    missing_docs,
    unused_qualifications,
    unreachable_pub,
    let_underscore_drop,
    rust_2018_idioms,
    single_use_lifetimes
)]

use async_trait::async_trait;
use redlock::{Redlock, Result, redlock};

struct Memory(Redlock);

trait Native {
    fn put(&mut self, id: u8) -> impl Future<Output = Result<u8>> + Send;
}

impl Native for Memory {
    #[redlock(key = "{id}", ttl = "10s", lock = self.0)]
    async fn put(&mut self, id: u8) -> Result<u8> {
        tokio::task::yield_now().await;
        Ok(id)
    }
}

#[async_trait]
trait Boxed<T: Send + 'static> {
    async fn put(&mut self, pair: (u8, T)) -> Result<T>;

    #[redlock(key("{}", text), ttl = "10s", on_busy = skip)]
    async fn tidy(&self, text: &str) {}
}

#[async_trait]
impl<T: Send + 'static> Boxed<T> for Memory {
    #[redlock(key = "{id}", ttl = "10s", lock = self.0)]
    async fn put(&mut self, (id, value): (u8, T)) -> Result<T> {
        if id == 0 {
            return Ok(value);
        }
        Ok(value)
    }
}

#[async_trait(?Send)]
trait Local {
    #[redlock(key = "local", ttl = "10s")]
    async fn put(&self, value: std::rc::Rc<u8>) -> Result<u8> {
        tokio::task::yield_now().await;
        Ok(*value)
    }
}

impl Local for Memory {}

fn send<T: Send>(_: T) {}

#[test]
fn compiles() {
    let _ = |memory: &'static mut Memory| send(Native::put(memory, 1));
    let _ = |memory: &'static mut Memory| send(Boxed::put(memory, (1, 1)));
    let _ = |memory: &'static Memory| send(Boxed::<u8>::tidy(memory, "a"));
    let _ = |memory: &'static Memory| drop(Local::put(memory, std::rc::Rc::new(1)));
}
