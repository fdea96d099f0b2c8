//! `on_error` with another type than the function.

use redlock::redlock;

#[redlock(key = "x", ttl = "10s", on_error = |error| error.to_string())]
async fn closure() -> Result<u8, String> {
    Ok(1)
}

#[redlock(key = "x", ttl = "10s", on_error = code)]
async fn path() -> Result<u8, String> {
    Ok(1)
}

fn code(_: redlock::Error) -> u16 {
    409
}

fn main() {}
