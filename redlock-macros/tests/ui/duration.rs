//! Literal durations that are wrong.

use redlock::{Result, redlock};

#[redlock(key = "x", ttl = "10")]
async fn no_unit() -> Result<()> {
    Ok(())
}

#[redlock(key = "x", ttl = 10)]
async fn number() -> Result<()> {
    Ok(())
}

#[redlock(key = "x", ttl = "1.5s", wait = "10 s", at_least = "-1s", max_hold = "10sec")]
async fn several() -> Result<()> {
    Ok(())
}

#[redlock(key = "x", ttl = "PT10S", wait = 'c')]
async fn elsewhere() -> Result<()> {
    Ok(())
}

fn main() {}
