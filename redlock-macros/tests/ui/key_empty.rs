//! Empty placeholders and keys.

use redlock::{Result, redlock};

#[redlock(key = "order:{}", ttl = "10s")]
async fn hole(id: u8) -> Result<()> {
    Ok(())
}

#[redlock(key = "", ttl = "10s")]
async fn empty() -> Result<()> {
    Ok(())
}

#[redlock(key("{}:{}", id), ttl = "10s")]
async fn one_too_few(id: u8) -> Result<()> {
    Ok(())
}

#[redlock(key("order", id), ttl = "10s")]
async fn one_too_many(id: u8) -> Result<()> {
    Ok(())
}

fn main() {}
