//! Each option, in the forms it has.
#![deny(
    warnings,
    missing_docs,
    unused_qualifications,
    unreachable_pub,
    let_underscore_drop,
    rust_2018_idioms,
    single_use_lifetimes
)]

use std::time::{Duration, SystemTime};

use redlock::{Held, Redlock, Result, redlock};

const TTL: Duration = Duration::from_secs(3);

#[redlock(key = "a", ttl = TTL, lock = locks, wait = "2s", at_least = Duration::from_secs(1), max_hold = "5m",)]
async fn times(locks: &Redlock) -> Result<()> {
    Ok(())
}

#[redlock(key = "a", ttl = "1m", no_wait, dedupe_for = TTL * 2, guard = held, on_lost = signal)]
async fn dedupe() -> Result<()> {
    held.lost().await;
    Ok(())
}

#[redlock(key = "a", ttl = "10s", no_wait = true, keep_alive = false, reentrant, on_lost = cancel)]
async fn flags() -> Result<()> {
    Ok(())
}

#[redlock(
    key = "a",
    ttl = "10s",
    wait = "0s",
    keep_alive,
    reentrant = false,
    fail_open = false
)]
async fn spelled_out() -> Result<()> {
    Ok(())
}

#[redlock(key = const "a", ttl = "10s", condition = n > 0, fail_open, guard = held)]
async fn open(n: u8) -> Result<Option<Held>> {
    Ok(held)
}

#[redlock(key = "a", ttl = "10s", fire = at, on_crash = rerun, catch_up = "1h", on_busy = skip)]
async fn fire_again(at: SystemTime) -> Option<u8> {
    Some(u8::from(at > SystemTime::UNIX_EPOCH))
}

#[redlock(key = "a", ttl = "10s", fire = at, on_busy = skip, on_error = |_| None, at_least = "1h")]
async fn fire(at: SystemTime) -> Option<u8> {
    Some(1)
}

#[redlock(key = "a", ttl = "10s", read, guard = held)]
async fn look() -> Result<u64> {
    Ok(held.token().get())
}

#[redlock(key = "a", ttl = "10s", write, read = false, dedupe_for = "1m")]
async fn change() -> Result<()> {
    Ok(())
}

#[redlock(key = "a", ttl = "10s", newest_wins, wait = "3s")]
async fn save() -> Result<()> {
    Ok(())
}

#[redlock(key = "a", ttl = "10s", permits = 5)]
async fn export() -> Result<()> {
    Ok(())
}

#[test]
fn compiles() {
    let _futures = (
        times,
        dedupe,
        flags,
        spelled_out,
        open,
        fire,
        fire_again,
        look,
        save,
        change,
        export,
    );
}
