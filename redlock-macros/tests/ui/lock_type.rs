//! A type that is not a `Redlock`.

use redlock::{Redlock, Result, redlock};

struct App {
    locks: Redlock,
}

#[redlock(key = "x", ttl = "10s", lock = app)]
async fn whole(app: App) -> Result<()> {
    let _ = app.locks;
    Ok(())
}

#[redlock(key = "x", ttl = "10s", lock = app)]
async fn maybe(app: Option<Redlock>) -> Result<()> {
    Ok(())
}

fn main() {}
