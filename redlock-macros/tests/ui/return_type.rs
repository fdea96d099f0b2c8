//! A return type that cannot hold the error.

use redlock::redlock;

#[redlock(key = "x", ttl = "10s")]
async fn unit() {}

#[redlock(key = "x", ttl = "10s")]
async fn text() -> String {
    String::new()
}

#[redlock(key = "x", ttl = "10s")]
async fn never() -> ! {
    loop {}
}

fn main() {}
