//! Templates in the syntax of other languages.

use redlock::{Result, redlock};

#[redlock(key = "#id", ttl = "10s")]
async fn spring(id: u8) -> Result<()> {
    Ok(())
}

#[redlock(key = "order:{{id}}", ttl = "10s")]
async fn double(id: u8) -> Result<()> {
    Ok(())
}

#[redlock(key = "order:{type}", ttl = "10s")]
async fn keyword(r#type: u8) -> Result<()> {
    Ok(())
}

#[redlock(key = "order:{n:>{width}}", ttl = "10s")]
async fn nested(n: u8, width: usize) -> Result<()> {
    Ok(())
}

#[redlock(key = "order:{config::area()}", ttl = "10s")]
async fn call(n: u8) -> Result<()> {
    Ok(())
}

fn main() {}
