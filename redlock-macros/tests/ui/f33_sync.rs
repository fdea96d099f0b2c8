//! Functions that are not async.

use std::{future::Future, pin::Pin};

use redlock::{Result, redlock};

#[tokio::main(flavor = "current_thread")]
#[redlock(key = "x", ttl = "10s")]
async fn main() -> Result<()> {
    Ok(())
}

#[redlock(key = "x", ttl = "10s")]
fn branches(first: bool) -> Pin<Box<dyn Future<Output = Result<u8>>>> {
    if first {
        Box::pin(async move { Ok(1) })
    } else {
        Box::pin(async move { Ok(2) })
    }
}
