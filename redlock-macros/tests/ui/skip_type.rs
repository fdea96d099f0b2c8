//! A return type that `on_busy = skip` has no value for.

use redlock::redlock;

#[redlock(key = "x", ttl = "10s", on_busy = skip)]
async fn result() -> redlock::Result<u8> {
    Ok(1)
}

#[redlock(key = "x", ttl = "10s", on_busy = skip)]
async fn text() -> String {
    String::new()
}

fn main() {}
