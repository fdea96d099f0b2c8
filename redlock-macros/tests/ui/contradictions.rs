//! Options that exclude each other.

use redlock::{Result, redlock};

#[redlock(key = "x", ttl = "10s", no_wait, wait = "2s")]
async fn refuses_and_waits() -> Result<()> {
    Ok(())
}

#[redlock(key = "x", ttl = "10s", keep_alive = false, max_hold = "1m")]
async fn holds_without_extension() -> Result<()> {
    Ok(())
}

#[redlock(key = "x", ttl = "10s", reentrant, dedupe_for = "1m", at_least = "1m")]
async fn keeps_what_is_not_its_own() -> Result<()> {
    Ok(())
}

#[redlock(key = "x", ttl = "10s", fire = at, wait = "1s", dedupe_for = "1m")]
async fn fires_and_waits(at: u64) -> Result<()> {
    Ok(())
}

fn main() {}
