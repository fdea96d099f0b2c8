//! Values in the syntax of other libraries.

use redlock::{Result, redlock};

#[redlock(key = "x", ttl = 5m, wait = 1.5s, max_hold = 10min)]
async fn unquoted() -> Result<()> {
    Ok(())
}

#[redlock(key: "x", ttl = "10s")]
async fn colon() -> Result<()> {
    Ok(())
}

#[redlock(key = "x", ttl("10s"), guard)]
async fn brackets() -> Result<()> {
    Ok(())
}

#[redlock(key = "x", ttl = "10s", crate = "locks", guard =)]
async fn quoted_path() -> Result<()> {
    Ok(())
}

#[redlock(key = "x", ttl = "10s", refuse, extend = false, settle = "1m")]
async fn old_names() -> Result<()> {
    Ok(())
}

fn main() {}
