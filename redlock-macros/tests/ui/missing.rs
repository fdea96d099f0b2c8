//! A missing key, a missing ttl.

use redlock::{Result, redlock};

#[redlock]
async fn both() -> Result<()> {
    Ok(())
}

#[redlock(ttl = "10s")]
async fn key() -> Result<()> {
    Ok(())
}

#[redlock(key = "x")]
async fn ttl() -> Result<()> {
    Ok(())
}

fn main() {}
