//! A body that is not `Send` is reported at the value that is not.

use std::rc::Rc;

use redlock::{Result, redlock};

#[redlock(key = "x", ttl = "10s")]
async fn local() -> Result<u8> {
    let shared = Rc::new(1);
    tokio::task::yield_now().await;
    Ok(*shared)
}

fn main() {
    let _ = || tokio::spawn(local());
}
