//! An error type that cannot be made from ours.

use redlock::redlock;

struct AppError;

#[redlock(key = "x", ttl = "10s")]
async fn result() -> Result<u8, AppError> {
    Ok(1)
}

#[redlock(key = "x", ttl = "10s", on_busy = skip)]
async fn skips() -> Result<(), AppError> {
    Ok(())
}

fn main() {}
