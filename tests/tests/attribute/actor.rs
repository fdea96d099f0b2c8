//! An actor whose whole loop is one critical section.

use std::convert::Infallible;

use redlock::{Redlock, Result, redlock};
use tests::within;
use tokio::sync::mpsc;

use tests::{World, world::BOUND};

struct Actor {
    locks: Redlock,
    shard: u8,
    inbox: mpsc::Receiver<u32>,
    sum: u32,
}

impl Actor {
    #[redlock(key = "shard:{self.shard}", ttl = "10s", lock = self.locks)]
    async fn run(mut self) -> Result<u32> {
        while let Some(number) = self.inbox.recv().await {
            self.sum += number;
        }
        Ok(self.sum)
    }

    #[redlock(key = "shard:{self.shard}", ttl = "10s", lock = self.locks, no_wait)]
    async fn forever(&mut self) -> Result<Infallible> {
        loop {
            if let Some(number) = self.inbox.recv().await {
                self.sum += number;
            } else {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[tokio::test]
async fn the_loop_holds_its_shard_until_it_ends() {
    let world = World::new().await;
    let (orders, inbox) = mpsc::channel(4);
    let actor = Actor {
        locks: world.locks.clone(),
        shard: 1,
        inbox,
        sum: 0,
    };
    let running = tokio::spawn(actor.run());
    orders.send(1).await.unwrap();
    orders.send(2).await.unwrap();
    tests::eventually(BOUND, async || world.is_held("shard:1")).await;

    let (_orders, inbox) = mpsc::channel(4);
    let mut twin = Actor {
        locks: world.elsewhere.clone(),
        shard: 1,
        inbox,
        sum: 0,
    };
    let Err(refused) = twin.forever().await;
    assert!(refused.is_busy());

    drop(orders);
    assert_eq!(within(BOUND, running).await.unwrap().unwrap(), 3);
    assert!(!world.is_held("shard:1"));
}
