//! A function that is not async.

use redlock::{Result, redlock};

#[redlock(key = "x", ttl = "10s")]
fn sync() -> Result<()> {
    Ok(())
}

fn main() {
    // The item is still there: no second error.
    let _ = sync();
}
