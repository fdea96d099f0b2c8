//! `crate = path`: for who has renamed or re-exported the crate.

mod prelude {
    pub(super) use redlock as mutex_of_the_fleet;
}

use prelude::mutex_of_the_fleet::{self, Redlock, Result};

use tests::World;

#[mutex_of_the_fleet::redlock(
    crate = prelude::mutex_of_the_fleet,
    key = "order:{id}",
    ttl = "10s",
    lock = locks,
    dedupe_for = "1s",
    condition = id > 0,
    guard = held
)]
async fn renamed(locks: &Redlock, id: u8) -> Result<u8> {
    assert_eq!(held.unwrap().key(), "order:7");
    Ok(id)
}

#[tokio::test]
async fn the_expansion_follows_the_path() {
    let world = World::new().await;
    assert_eq!(renamed(&world.locks, 7).await.unwrap(), 7);
}
