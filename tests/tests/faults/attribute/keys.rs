//! Keys that do not mean what they seem to.

use redlock::{Redlock, Result, redlock};

use tests::World;

mod config {
    pub(super) const AREA: &str = "eu";
    pub(super) const KEY: &str = "order:{id}";
}

struct Store(Redlock);

impl Store {
    const NAME: &str = "store";

    #[redlock(key = "{Self::NAME}:{config::AREA:>4}:{n::>3}", ttl = "10s", lock = self.0, guard = held)]
    async fn paths(&self, n: u8) -> Result<String> {
        Ok(held.key().to_owned())
    }
}

#[redlock(key = config::KEY, ttl = "10s", lock = locks)]
async fn unfilled(locks: &Redlock, id: u8) -> Result<u8> {
    Ok(id)
}

#[redlock(key = const "#id", ttl = "10s", lock = locks, guard = held)]
async fn meant(locks: &Redlock, id: u8) -> Result<String> {
    Ok(format!("{id} {}", held.key()))
}

#[redlock(key = config::AREA, ttl = "10s", lock = locks, guard = held)]
async fn constant(locks: &Redlock, id: u8) -> Result<String> {
    Ok(format!("{id} {}", held.key()))
}

#[tokio::test]
async fn f33_a_key_template_has_one_meaning() {
    let world = World::new().await;
    let locks = &world.locks;
    let paths = Store(locks.clone()).paths(7).await.unwrap();
    assert_eq!(paths, "store:  eu:%3A%3A7");
    let error = unfilled(locks, 7).await.unwrap_err();
    assert!(error.is_invalid(), "{error}");
    assert!(
        error.to_string().contains("`{id}` is plain text"),
        "{error}"
    );
    assert_eq!(meant(locks, 7).await.unwrap(), "7 #id");
    assert_eq!(constant(locks, 7).await.unwrap(), "7 eu");
}
