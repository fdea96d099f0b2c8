//! Options that contradict a lock whose newest call wins.

use redlock::{Result, redlock};

#[redlock(key = "x", ttl = "10s", newest_wins, fire = _at)]
async fn supersedes_a_firing(_at: u64) -> Result<()> {
    Ok(())
}

#[redlock(key = "x", ttl = "10s", newest_wins, on_busy = skip)]
async fn skips_what_it_supersedes() {}

#[redlock(key = "x", ttl = "10s", newest_wins, fencing = false)]
async fn has_no_order() -> Result<()> {
    Ok(())
}

#[redlock(key = "x", ttl = "10s", newest_wins, wait = "0s", on_busy = skip)]
async fn waits_for_no_time() {}

#[redlock(key = "x", ttl = "10s", newest_wins, no_wait, on_busy = skip)]
async fn waits_for_nobody() {}

#[redlock(key = "x", ttl = "10s", newest_wins, permits = 2, reentrant, at_least = "1s")]
async fn has_several_holders() -> Result<()> {
    Ok(())
}

// Accepted.
#[redlock(key = "x", ttl = "10s", newest_wins, wait = "1s", on_busy = skip, fencing = true)]
async fn waits_and_skips() {}

#[redlock(key = "x", ttl = "10s", newest_wins = false, on_busy = skip, fencing = false, fire = at)]
async fn fires(at: u64) {}

fn main() {}
