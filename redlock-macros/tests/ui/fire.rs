//! A type that does not name a firing.

use redlock::redlock;
use tokio::time::Instant;

#[redlock(key = "x", ttl = "10s", fire = tick, on_busy = skip)]
async fn monotonic(tick: Instant) {}

fn main() {}
