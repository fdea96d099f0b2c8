//! Options that contradict a side of a read/write lock.

use redlock::{Result, redlock};

#[redlock(key = "x", ttl = "10s", read, write)]
async fn reads_and_writes() -> Result<()> {
    Ok(())
}

#[redlock(key = "x", ttl = "10s", read, dedupe_for = "1m", at_least = "1m")]
async fn keeps_readers_out() -> Result<()> {
    Ok(())
}

#[redlock(key = "x", ttl = "10s", write, permits = 2)]
async fn writes_beside_another() -> Result<()> {
    Ok(())
}

fn main() {}
