//! Every kind of self.
#![deny(
    warnings,
    missing_docs,
    unused_qualifications,
    unreachable_pub,
    let_underscore_drop,
    rust_2018_idioms,
    single_use_lifetimes
)]

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use redlock::{Redlock, Result, redlock};

struct Account {
    id: u8,
    locks: Redlock,
}

impl Account {
    #[redlock(key = "{self.id}", ttl = "10s", lock = self.locks)]
    async fn by_value(self) -> Result<u8> {
        Ok(self.id)
    }

    #[redlock(key = "{self.id}", ttl = "10s", lock = self.locks)]
    async fn by_mut_value(mut self) -> Result<u8> {
        self.id += 1;
        Ok(self.id)
    }

    #[redlock(key = "{self.id}", ttl = "10s", lock = self.locks)]
    async fn by_ref(&self) -> Result<&u8> {
        Ok(&self.id)
    }

    #[redlock(key = "{self.id}", ttl = "10s", lock = self.locks)]
    async fn by_mut(&mut self) -> Result<&mut u8> {
        self.id += 1;
        Ok(&mut self.id)
    }

    #[redlock(key = "{self.id}", ttl = "10s", lock = self.locks)]
    async fn by_arc(self: Arc<Self>) -> Result<Arc<Self>> {
        Ok(self)
    }

    #[redlock(key = "{self.id}", ttl = "10s", lock = self.locks)]
    async fn by_rc(self: &Rc<Self>) -> Result<u8> {
        Ok(self.id)
    }

    #[redlock(key = "{self.id}", ttl = "10s", lock = self.locks)]
    async fn by_pin(self: Pin<&mut Self>) -> Result<u8> {
        Ok(self.id)
    }
}

#[test]
fn compiles() {
    let _futures = (
        Account::by_value,
        Account::by_mut_value,
        Account::by_ref,
        Account::by_mut,
        Account::by_arc,
        Account::by_rc,
        Account::by_pin,
    );
}
