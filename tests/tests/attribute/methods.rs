//! Methods: each kind of `self`, and traits with async functions of their own.

use std::pin::Pin;
use std::sync::Arc;

use redlock::{Redlock, Result, redlock};

use tests::World;

struct Account {
    id: u32,
    balance: i64,
    locks: Redlock,
}

impl Account {
    #[redlock(key = "account:{self.id}", ttl = "10s", lock = self.locks)]
    async fn balance(&self) -> Result<i64> {
        Ok(self.balance)
    }

    #[redlock(key = "account:{self.id}", ttl = "10s", lock = self.locks)]
    async fn deposit(&mut self, amount: i64) -> Result<&mut i64> {
        self.balance += amount;
        Ok(&mut self.balance)
    }

    #[redlock(key("account:{}", self.id), ttl = Self::TTL, lock = self.locks)]
    async fn close(self) -> Result<i64> {
        Ok(self.balance)
    }

    #[redlock(key = "account:{self.id}", ttl = "10s", lock = self.locks)]
    async fn shared(self: Arc<Self>, other: Arc<Self>) -> Result<i64> {
        Ok(self.balance + other.balance)
    }

    #[redlock(key = "account:{self.id}", ttl = "10s", lock = self.locks)]
    async fn pinned(self: Pin<&mut Self>) -> Result<i64> {
        Ok(self.balance)
    }

    #[redlock(key = const "accounts", ttl = "10s", lock = locks)]
    pub(crate) async fn open(locks: &Redlock, id: u32) -> Result<Self> {
        Ok(Self {
            id,
            balance: 0,
            locks: locks.clone(),
        })
    }

    const TTL: std::time::Duration = std::time::Duration::from_secs(5);
}

trait Books {
    async fn book(&mut self, amount: i64) -> Result<i64>;

    /// A default body can be locked too.
    #[redlock(key = "books", ttl = "10s", lock = self.locks())]
    async fn audit(&self) -> Result<&'static str> {
        Ok("clean")
    }

    fn locks(&self) -> Redlock;
}

impl Books for Account {
    #[redlock(key = "account:{self.id}", ttl = "10s", lock = self.locks)]
    async fn book(&mut self, amount: i64) -> Result<i64> {
        self.balance -= amount;
        Ok(self.balance)
    }

    fn locks(&self) -> Redlock {
        self.locks.clone()
    }
}

#[tokio::test]
async fn any_receiver_will_do() {
    let world = World::new().await;
    let mut account = Account::open(&world.locks, 1).await.unwrap();
    *account.deposit(5).await.unwrap() += 1;
    assert_eq!(account.balance().await.unwrap(), 6);
    assert_eq!(account.book(2).await.unwrap(), 4);
    assert_eq!(account.audit().await.unwrap(), "clean");
    assert_eq!(Pin::new(&mut account).pinned().await.unwrap(), 4);
    let account = Arc::new(account);
    assert_eq!(
        Arc::clone(&account)
            .shared(Arc::clone(&account))
            .await
            .unwrap(),
        8
    );
    assert_eq!(Arc::into_inner(account).unwrap().close().await.unwrap(), 4);
    assert!(!world.is_held("account:1"));
}
