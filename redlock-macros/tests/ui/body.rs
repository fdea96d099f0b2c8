//! A mistake in the body is reported in the body.

use redlock::{Result, redlock};

#[redlock(key = "x", ttl = "10s")]
async fn tail() -> Result<u8> {
    Ok("seven")
}

#[redlock(key = const "x", ttl = "10s")]
async fn early(n: u8) -> Result<u8> {
    if n > 1 {
        return n;
    }
    let parsed: u8 = "7".parse()?;
    Ok(parsed)
}

#[redlock(key = "x", ttl = "10s")]
async fn nothing() -> Result<u8> {
    let _ = 1;
}

fn main() {}
