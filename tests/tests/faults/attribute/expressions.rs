//! Expressions in options: of any kind, evaluated once and in order, with or without an await, in a future that is `Send` if
//! the body is.

use std::{
    cell::Cell,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use redlock::{Redlock, Result, redlock};
use tokio::sync::RwLock;

use tests::World;

struct App {
    locks: RwLock<Redlock>,
    order: Mutex<Vec<&'static str>>,
}

impl App {
    async fn new() -> Arc<Self> {
        Arc::new(Self {
            locks: RwLock::new(World::new().await.locks),
            order: Mutex::default(),
        })
    }

    async fn say<T>(&self, name: &'static str, value: T) -> T {
        tokio::task::yield_now().await;
        self.order.lock().unwrap().push(name);
        value
    }
}

#[redlock(key = "order:{id}", ttl = "10s", lock = *app.locks.read().await, guard = held)]
async fn awaited_lock(app: Arc<App>, id: u64) -> Result<String> {
    tokio::task::yield_now().await;
    Ok(held.key().to_owned())
}

#[redlock(
    key("{:>4}:{}", *app.order.lock().unwrap().last().unwrap(), app.say("key", id).await),
    ttl = app.say("ttl", Duration::from_secs(10)).await,
    lock = app.locks.read().await,
    wait = app.say("wait", Duration::from_secs(1)).await,
    at_least = app.say("at_least", Duration::from_millis(1)).await,
    max_hold = app.say("max_hold", Duration::from_secs(60)).await,
    dedupe_for = app.say("dedupe_for", Duration::from_millis(1)).await,
    condition = app.say("condition", true).await,
    on_error = { let on_error = app.say("on_error", String::from("failed")).await; move |_| Err(on_error) },
    guard = held,
)]
async fn awaits_in_each(app: Arc<App>, id: u64) -> Result<String, String> {
    tokio::task::yield_now().await;
    Ok(held.unwrap().key().to_owned())
}

#[redlock(key = app.say("key", "nightly").await, ttl = "10s", lock = app.locks.read().await, fire = app.say("fire", 7_u8).await, guard = held)]
async fn awaits_in_fire(app: Arc<App>) -> Result<String> {
    Ok(held.key().to_owned())
}

struct Store {
    locks: RwLock<Redlock>,
}

impl Store {
    #[redlock(key("store:{}", self.id().await), ttl = "10s", lock = *self.locks.read().await, guard = held)]
    async fn put(self: Arc<Self>) -> Result<String> {
        Ok(held.key().to_owned())
    }

    async fn id(&self) -> u8 {
        tokio::task::yield_now().await;
        9
    }
}

#[tokio::test]
async fn f22_await_in_every_option_leaves_the_future_send() {
    let app = App::new().await;
    app.order.lock().unwrap().push("a");
    let spawned = tokio::spawn(awaited_lock(Arc::clone(&app), 7));
    assert_eq!(spawned.await.unwrap().unwrap(), "order:7");
    let spawned = tokio::spawn(awaits_in_each(Arc::clone(&app), 8));
    assert_eq!(spawned.await.unwrap().unwrap(), "   a:8");
    let spoken = [
        "a",
        "key",
        "ttl",
        "wait",
        "at_least",
        "max_hold",
        "condition",
        "dedupe_for",
        "on_error",
    ];
    assert_eq!(*app.order.lock().unwrap(), spoken);
    let spawned = tokio::spawn(awaits_in_fire(Arc::clone(&app)));
    assert_eq!(spawned.await.unwrap().unwrap(), "nightly:7");
    let locks = RwLock::new(World::new().await.locks);
    let spawned = tokio::spawn(Arc::new(Store { locks }).put());
    assert_eq!(spawned.await.unwrap().unwrap(), "store:9");
}

#[redlock(key("shard:{}:{}", id as u8, !id & 0x0f), ttl = "10s", lock = locks, guard = held)]
async fn cast(locks: &Redlock, id: u64) -> Result<String> {
    Ok(held.key().to_owned())
}

#[redlock(key = "a:".to_owned() + name, ttl = "10s", lock = locks, guard = held)]
async fn sum(locks: &Redlock, name: &str) -> Result<String> {
    Ok(held.key().to_owned())
}

#[redlock(
    key = match id { Some(id) => format!("some:{id}"), None => return Ok("none".into()) },
    ttl = if id > Some(5) { Duration::from_secs(1) } else { Duration::from_secs(2) },
    lock = if id.is_some() { &locks.0 } else { &locks.1 },
    condition = id.is_some() || locks.0.try_lock("x").await.is_ok(),
    guard = held,
)]
async fn branches(locks: (Redlock, Redlock), id: Option<u64>) -> Result<String> {
    Ok(held.unwrap().key().to_owned())
}

#[redlock(key("{}:{}:{last}", { let a = 1; a + 1 }, [1_u8, 8].map(|n| n)[1], last = -3_i8), ttl = "10s", lock = { let _ = 1; locks }, guard = held)]
async fn blocks(locks: &Redlock) -> Result<String> {
    Ok(held.key().to_owned())
}

#[redlock(key = "x", ttl = "10s", lock = locks, fire = at + 1, guard = held)]
async fn later(locks: &Redlock, at: u64) -> Result<String> {
    Ok(held.key().to_owned())
}

#[tokio::test]
async fn f25_any_expression_keeps_its_precedence() {
    let world = World::new().await;
    let locks = &world.locks;
    assert_eq!(cast(locks, 300).await.unwrap(), "shard:44:3");
    assert_eq!(sum(locks, "b").await.unwrap(), "a:b");
    let both = (world.locks.clone(), world.elsewhere.clone());
    assert_eq!(branches(both.clone(), Some(7)).await.unwrap(), "some:7");
    assert_eq!(branches(both, None).await.unwrap(), "none");
    assert_eq!(blocks(locks).await.unwrap(), "2:8:-3");
    assert_eq!(later(locks, 6).await.unwrap(), "x:7");
}

static CALLS: AtomicU32 = AtomicU32::new(0);

fn next() -> u32 {
    CALLS.fetch_add(1, SeqCst)
}

#[redlock(key("{0}:{0}:{0:>3}:{named}:{}:{named:?}", next(), named = next()), ttl = "10s", lock = locks, guard = held)]
async fn repeated(locks: &Redlock) -> Result<String> {
    Ok(held.key().to_owned())
}

#[redlock(key("{1}:{0}", once.replace(None).unwrap(), once.replace(Some(5)).unwrap_or(4)), ttl = "10s", lock = locks, guard = held)]
async fn in_order(locks: &Redlock, once: &Cell<Option<u8>>) -> Result<String> {
    Ok(held.key().to_owned())
}

#[tokio::test]
async fn f28_each_expression_is_evaluated_once_in_the_order_of_the_source() {
    let world = World::new().await;
    let key = repeated(&world.locks).await.unwrap();
    assert_eq!(key, "0:0:  0:1:0:1");
    assert_eq!(CALLS.load(SeqCst), 2);
    let key = in_order(&world.locks, &Cell::new(Some(3))).await.unwrap();
    assert_eq!(key, "4:3");
}

/// Writes half of its output, and fails.
#[derive(Clone, Copy)]
struct Half;

impl fmt::Display for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hal")?;
        Err(fmt::Error)
    }
}

#[redlock(key = half, ttl = "10s", lock = locks)]
async fn whole(locks: &Redlock, half: Half) -> Result<()> {
    unreachable!("ran under half a key")
}

#[redlock(key = "t:{half}", ttl = "10s", lock = locks)]
async fn template(locks: &Redlock, half: Half) -> Result<()> {
    unreachable!("ran under half a key")
}

#[redlock(key("t:{:>8}:{n}", half), ttl = "10s", lock = locks)]
async fn behind(locks: &Redlock, half: Half, n: u8) -> Result<()> {
    unreachable!("ran under half a key")
}

#[redlock(key = "t", ttl = "10s", lock = locks, fire = half)]
async fn fires(locks: &Redlock, half: Half) -> Result<()> {
    unreachable!("ran under half a key")
}

#[redlock(key = format!("t:{}:x", redlock::key::part(half)), ttl = "10s", lock = locks)]
async fn by_part(locks: &Redlock, half: Half) -> Result<()> {
    unreachable!("ran under half a key")
}

#[tokio::test]
async fn f30_a_key_that_cannot_be_displayed_is_an_error_and_never_half_a_key() {
    let world = World::new().await;
    let locks = &world.locks;
    for error in [
        whole(locks, Half).await.unwrap_err(),
        template(locks, Half).await.unwrap_err(),
        behind(locks, Half, 1).await.unwrap_err(),
        fires(locks, Half).await.unwrap_err(),
        by_part(locks, Half).await.unwrap_err(),
    ] {
        assert!(error.is_invalid(), "{error}");
        assert!(error.to_string().contains("Display"), "{error}");
    }
    let part = redlock::key::part(Half);
    for key in [
        part.clone(),
        format!("a:{part}"),
        format!("{part}:b"),
        format!("{{a}}:{part}"),
    ] {
        let error = locks.lock(key).await.unwrap_err();
        assert!(error.is_invalid(), "the request refuses it too: {error}");
    }
}
