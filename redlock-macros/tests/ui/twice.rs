//! An option that is given twice.

use redlock::{Result, redlock};

#[redlock(key = "x", ttl = "10s", ttl = "20s", no_wait, no_wait)]
async fn twice() -> Result<()> {
    Ok(())
}

fn main() {}
