//! Options that take a word.

use redlock::{Result, redlock};

#[redlock(key = "x", ttl = "10s", on_busy = wait, on_lost = panic)]
async fn words() -> Result<()> {
    Ok(())
}

#[redlock(key = "x", ttl = "10s", no_wait = "yes", guard = "lock", on_busy)]
async fn kinds() -> Result<()> {
    Ok(())
}

#[redlock(key = "x", ttl = "10s", lock, wait =)]
async fn values() -> Result<()> {
    Ok(())
}

fn main() {}
