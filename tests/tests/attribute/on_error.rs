//! `on_error`: for return types that are not made of our error.

use redlock::{Redlock, redlock};

use tests::World;

#[redlock(key = "price", ttl = "10s", lock = locks, no_wait, on_error = |error| format!("busy: {}", error.is_busy()))]
async fn closure(locks: &Redlock) -> String {
    "ran".into()
}

#[redlock(key = "price", ttl = "10s", lock = locks, no_wait, on_error = code)]
async fn path(locks: &Redlock) -> Result<u8, u16> {
    let parsed: u8 = "7".parse().map_err(|_| 500_u16)?;
    Ok(parsed)
}

#[redlock(key = const "price", ttl = "10s", lock = locks, no_wait, on_error = |_| fallback)]
async fn from_an_argument(locks: &Redlock, fallback: u8) -> u8 {
    fallback + 1
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "`on_error` gives the error away"
)]
fn code<T>(error: redlock::Error) -> Result<T, u16> {
    Err(if error.is_busy() { 409 } else { 503 })
}

#[tokio::test]
async fn an_error_is_converted_to_the_return_type() {
    let world = World::new().await;
    let locks = &world.locks;
    assert_eq!(closure(locks).await, "ran");
    assert_eq!(path(locks).await, Ok(7));
    assert_eq!(from_an_argument(locks, 1).await, 2);

    let held = world.busy("price").await;
    assert_eq!(closure(locks).await, "busy: true");
    assert_eq!(path(locks).await, Err(409));
    assert_eq!(from_an_argument(locks, 1).await, 1);
    held.release().await.unwrap();

    world.lose_quorum();
    assert_eq!(path(locks).await, Err(503));
}
