//! Free functions: generics, lifetimes, patterns, `impl Trait`, early ends.

use std::fmt::{Debug, Display};
use std::num::ParseIntError;

use redlock::{Redlock, redlock};

use crate::app_error::AppError;
use tests::World;

#[redlock(key = "sum:{a}", ttl = "10s", lock = locks)]
async fn sum(locks: &Redlock, a: u32, mut b: u32) -> Result<u32, AppError> {
    b += a;
    Ok(b)
}

#[redlock(key("generic:{:?}", value), ttl = "10s", lock = locks)]
async fn generic<T, const N: usize>(locks: &Redlock, value: [T; N]) -> Result<[T; N], AppError>
where
    T: Debug + Send,
{
    tokio::task::yield_now().await;
    Ok(value)
}

#[redlock(key = const "borrowed", ttl = "10s", lock = locks)]
async fn longest<'a>(locks: &Redlock, a: &'a str, b: &'a str) -> Result<&'a str, AppError> {
    Ok(if a.len() > b.len() { a } else { b })
}

#[redlock(key = const "elided", ttl = "10s", lock = locks::global())]
async fn elided(text: &str) -> Result<&str, AppError> {
    Ok(text.trim())
}

mod locks {
    use std::sync::OnceLock;

    use redlock::Redlock;

    pub(super) static GLOBAL: OnceLock<Redlock> = OnceLock::new();

    pub(super) fn global() -> &'static Redlock {
        GLOBAL.get().unwrap()
    }
}

struct Wrapped<T>(T);

struct Point {
    x: i32,
    y: (i32, i32),
}

#[redlock(key = "patterns:{locks_name}:{x}:{b}", ttl = "10s", lock = locks)]
async fn patterns(
    Wrapped(locks): Wrapped<Redlock>,
    Point { x, y: (_, b) }: Point,
    (locks_name, mut list): (&str, Vec<i32>),
    _: u8,
) -> Result<Vec<i32>, AppError> {
    assert_eq!(locks_name, "it");
    list.extend([x, b]);
    Ok(list)
}

#[redlock(key = "impl:{shown}", ttl = "10s", lock = locks)]
async fn takes_impl(
    locks: &Redlock,
    shown: impl Display + Send,
    make: impl AsyncFn(u8) -> u8,
) -> Result<(String, u8), AppError> {
    Ok((shown.to_string(), make(1).await))
}

#[redlock(key = const "impl", ttl = "10s", lock = locks)]
async fn returns_impl(
    locks: &Redlock,
    upto: u8,
) -> Result<impl Iterator<Item = u8> + use<>, AppError> {
    if upto == 0 {
        return Err(AppError::Own("nothing"));
    }
    Ok((0..upto).rev())
}

#[redlock(key = "impl-whole", ttl = "10s", lock = locks, on_error = |error| error.to_string())]
async fn is_impl(locks: &Redlock) -> impl Display + use<> {
    String::from("shown")
}

#[redlock(key = const "early", ttl = "10s", lock = locks)]
async fn early(
    locks: &Redlock,
    text: &str,
) -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
    if text.is_empty() {
        return Ok(0);
    }
    let parsed: Result<u8, ParseIntError> = text.parse();
    let number = parsed?;
    if number == 13 {
        Err("unlucky")?;
    }
    Ok(number)
}

#[tokio::test]
async fn any_signature_will_do() {
    let world = World::new().await;
    let locks = &world.locks;
    assert_eq!(sum(locks, 1, 2).await.unwrap(), 3);
    assert_eq!(generic(locks, [1_u8, 2]).await.unwrap(), [1, 2]);
    assert_eq!(longest(locks, "a", "bb").await.unwrap(), "bb");
    locks::GLOBAL.set(locks.clone()).unwrap();
    assert_eq!(elided(" a ").await.unwrap(), "a");
    let given = patterns(
        Wrapped(locks.clone()),
        Point { x: 1, y: (2, 3) },
        ("it", vec![0]),
        0,
    );
    assert_eq!(given.await.unwrap(), [0, 1, 3]);
    assert_eq!(
        takes_impl(locks, 5, async |n| n + 1).await.unwrap(),
        ("5".to_owned(), 2)
    );
    assert_eq!(
        returns_impl(locks, 3).await.unwrap().collect::<Vec<_>>(),
        [2, 1, 0]
    );
    assert!(returns_impl(locks, 0).await.is_err());
    assert_eq!(format!("{}", is_impl(locks).await), "shown");
}

#[tokio::test]
async fn an_early_return_releases_the_lock() {
    let world = World::new().await;
    let locks = &world.locks;
    assert_eq!(early(locks, "").await.unwrap(), 0);
    assert_eq!(early(locks, "7").await.unwrap(), 7);
    assert!(early(locks, "x").await.unwrap_err().is::<ParseIntError>());
    assert_eq!(early(locks, "13").await.unwrap_err().to_string(), "unlucky");
    assert!(
        !world.is_held("early"),
        "released before the value is there"
    );
}

/// The future of an annotated function is as `Send` as its body.
#[tokio::test]
async fn a_send_future_stays_send() {
    let world = World::new().await;
    let locks = world.locks.clone();
    let spawned = tokio::spawn(async move { sum(&locks, 1, 2).await });
    assert_eq!(spawned.await.unwrap().unwrap(), 3);

    #[redlock(key = "local", ttl = "10s", lock = locks)]
    async fn local(locks: &Redlock, shared: std::rc::Rc<u8>) -> Result<u8, AppError> {
        tokio::task::yield_now().await;
        Ok(*shared)
    }
    assert_eq!(local(&world.locks, std::rc::Rc::new(3)).await.unwrap(), 3);
}

#[redlock(key = "inner:{a}", ttl = "10s", lock = world.locks, guard = inner)]
#[redlock(key = "outer:{a}", ttl = "10s", lock = world.locks, guard = outer)]
async fn stacked(world: &World, a: u8) -> Result<(String, String), AppError> {
    assert!(world.is_held("outer:1") && world.is_held("inner:1"));
    Ok((outer.key().to_owned(), inner.key().to_owned()))
}

#[tokio::test]
async fn two_attributes_are_two_locks() {
    let world = World::new().await;
    let keys = stacked(&world, 1).await.unwrap();
    assert_eq!(keys, ("outer:1".to_owned(), "inner:1".to_owned()));
}

/// What the body keeps across its awaits is kept once, and not by each function it is handed through.
#[tokio::test]
async fn the_future_is_no_larger_than_the_body() {
    async fn body(block: [u8; 4096]) -> Result<u8, AppError> {
        tokio::task::yield_now().await;
        Ok(block[0])
    }

    #[redlock(key = "large", ttl = "10s", lock = locks)]
    async fn locked(locks: &Redlock, block: [u8; 4096]) -> Result<u8, AppError> {
        body(block).await
    }

    #[redlock(key = "large", ttl = "10s", lock = locks, condition = true, guard = held)]
    async fn open(locks: &Redlock, block: [u8; 4096]) -> Result<u8, AppError> {
        assert!(held.is_some());
        body(block).await
    }
    let world = World::new().await;
    let plain = size_of_val(&body([0; 4096]));
    let locked = size_of_val(&locked(&world.locks, [0; 4096]));
    let open = size_of_val(&open(&world.locks, [0; 4096]));
    println!("{plain} bytes, locked {locked}, open {open}");
    assert!(
        locked < plain && open < 2 * plain,
        "{plain} bytes, locked {locked}, open {open}"
    );
}
