//! An unknown option: the error names the nearest one, also for names of other libraries.

use redlock::{Result, redlock};

#[redlock(key = "x", tll = "10s")]
async fn slip() -> Result<()> {
    Ok(())
}

#[redlock(key = "x", ttl = "10s", lockAtLeastFor = "1m", colour = "red", skip)]
async fn elsewhere() -> Result<()> {
    Ok(())
}

fn main() {}
