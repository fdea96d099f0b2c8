//! `key = "..."`, `key("...", ...)` and `key = expression`: what stands on the nodes.

use std::sync::Arc;

use redlock::{Redlock, Result, redlock};
use tests::within;
use tokio::sync::Barrier;

use tests::{World, world::BOUND};

struct User {
    id: u64,
    name: String,
    pair: (u8, u8),
}

impl User {
    fn slug(&self) -> String {
        self.name.to_lowercase()
    }
}

fn ann() -> User {
    User {
        id: 7,
        name: "Ann:{x}%".into(),
        pair: (1, 2),
    }
}

const AREA: &str = "eu";

#[redlock(key = "plain", ttl = "10s", lock = locks, guard = held)]
async fn plain(locks: &Redlock) -> Result<String> {
    Ok(held.key().to_owned())
}

#[redlock(key = "{AREA}:user:{user.id}:{user.pair.1}", ttl = "10s", lock = locks, guard = held)]
async fn fields(locks: &Redlock, user: User) -> Result<String> {
    drop(user);
    Ok(held.key().to_owned())
}

#[redlock(key = "user:{user.name}", ttl = "10s", lock = locks, guard = held)]
async fn encoded(locks: &Redlock, user: &User) -> Result<String> {
    Ok(held.key().to_owned())
}

#[redlock(key = "n:{n:>width$}:{n:#x}:{tags:?}", ttl = "10s", lock = locks, guard = held)]
async fn formatted(locks: &Redlock, n: u8, width: usize, tags: &[&str]) -> Result<String> {
    let _ = (n, width, tags);
    Ok(held.key().to_owned())
}

#[redlock(key("u:{}:{id}:{0}:{n}", user.slug(), id = user.id + 1), ttl = "10s", lock = locks, guard = held)]
async fn expressions(locks: &Redlock, user: User, n: u8) -> Result<String> {
    let _ = n;
    drop(user);
    Ok(held.key().to_owned())
}

#[redlock(key = format!("raw:{}:{}", user.name.len(), n), ttl = "10s", lock = locks, guard = held)]
async fn verbatim(locks: &Redlock, user: &User, n: u8) -> Result<String> {
    Ok(held.key().to_owned())
}

#[redlock(key = user.id, ttl = "10s", lock = locks, guard = held)]
async fn any_display(locks: &Redlock, user: &User) -> Result<String> {
    Ok(held.key().to_owned())
}

#[redlock(key = user.name, ttl = "10s", lock = locks)]
async fn not_moved(locks: &Redlock, user: User) -> Result<String> {
    Ok(user.name)
}

#[redlock(key = "{{tenant}}:x", ttl = "10s", lock = locks, guard = held)]
async fn hash_tag(locks: &Redlock) -> Result<String> {
    Ok(held.key().to_owned())
}

#[tokio::test]
async fn a_template_is_filled_from_the_arguments() {
    let world = World::new().await;
    let locks = &world.locks;
    assert_eq!(plain(locks).await.unwrap(), "plain");
    assert_eq!(fields(locks, ann()).await.unwrap(), "eu:user:7:2");
    assert_eq!(
        encoded(locks, &ann()).await.unwrap(),
        "user:Ann%3A%7Bx%7D%25"
    );
    assert_eq!(
        formatted(locks, 7, 3, &["a"]).await.unwrap(),
        "n:  7:0x7:[\"a\"]"
    );
    assert_eq!(
        expressions(locks, ann(), 9).await.unwrap(),
        "u:ann%3A%7Bx%7D%25:8:ann%3A%7Bx%7D%25:9"
    );
    assert_eq!(hash_tag(locks).await.unwrap(), "{tenant}:x");
}

#[tokio::test]
async fn an_expression_is_used_unchanged() {
    let world = World::new().await;
    let locks = &world.locks;
    assert_eq!(verbatim(locks, &ann(), 3).await.unwrap(), "raw:8:3");
    assert_eq!(any_display(locks, &ann()).await.unwrap(), "7");
    let user = User {
        name: "zoe".into(),
        ..ann()
    };
    assert_eq!(not_moved(locks, user).await.unwrap(), "zoe");
}

#[tokio::test]
async fn a_key_that_the_nodes_cannot_keep_is_an_error() {
    #[redlock(key = name, ttl = "10s", lock = locks)]
    async fn named(locks: &Redlock, name: &str) -> Result<()> {
        panic!("ran without a key: {name}")
    }
    let world = World::new().await;
    assert!(named(&world.locks, "").await.unwrap_err().is_invalid());
    assert!(named(&world.locks, "x{").await.unwrap_err().is_invalid());
}

#[redlock(key = "pair:{a}:{b}", ttl = "10s", lock = locks, no_wait)]
async fn pair(locks: &Redlock, a: &str, b: &str, both: &Barrier) -> Result<()> {
    let _ = (a, b);
    both.wait().await;
    Ok(())
}

/// H7: ("a:b", "c") and ("a", "b:c") are two keys, so that both bodies run at the same time.
#[tokio::test]
async fn h7_parts_do_not_collide() {
    let world = World::new().await;
    let both = Arc::new(Barrier::new(2));
    let (first, second) = within(BOUND, async {
        tokio::join!(
            pair(&world.locks, "a:b", "c", &both),
            pair(&world.elsewhere, "a", "b:c", &both)
        )
    })
    .await;
    first.unwrap();
    second.unwrap();
}
