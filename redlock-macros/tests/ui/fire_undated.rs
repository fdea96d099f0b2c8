//! `catch_up` with a firing that is named by a number, so that its age is not known.

use redlock::redlock;

#[redlock(key = "x", ttl = "10s", fire = number, catch_up = "1h", on_busy = skip)]
async fn by_number(number: u64) {}

fn main() {}
