//! An expression inside of a template.

use redlock::{Result, redlock};

#[redlock(key = "order:{user.id()}", ttl = "10s")]
async fn call(user: u8) -> Result<()> {
    Ok(())
}

#[redlock(key = "order:{user", ttl = "10s")]
async fn unclosed(user: u8) -> Result<()> {
    Ok(())
}

#[redlock(key = "order:user}", ttl = "10s")]
async fn unopened(user: u8) -> Result<()> {
    Ok(())
}

fn main() {}
