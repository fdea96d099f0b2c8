//! An expression of the wrong type.

use redlock::{Result, redlock};

const TTL: u64 = 10;

#[redlock(key = "x", ttl = TTL, wait = Some(std::time::Duration::ZERO))]
async fn wrong() -> Result<()> {
    Ok(())
}

fn main() {}
