//! Times of zero that have no effect.

use redlock::{Result, redlock};

#[redlock(key = "x", ttl = "0s")]
async fn ttl() -> Result<()> {
    Ok(())
}

#[redlock(key = "x", ttl = "10s", max_hold = "0ms", at_least = "0s", dedupe_for = "0m")]
async fn others() -> Result<()> {
    Ok(())
}

fn main() {}
