//! Options without a comma between them.

use redlock::{Result, redlock};

#[redlock(key = "x" ttl = "10s")]
async fn no_comma() -> Result<()> {
    Ok(())
}

#[redlock(key = "x", ttl = "10s", 5)]
async fn no_option() -> Result<()> {
    Ok(())
}

fn main() {}
