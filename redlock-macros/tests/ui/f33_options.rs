//! Options that need another option, or exclude it.

use redlock::{Result, redlock};

#[redlock(key = "x", ttl = "10s", on_lost = signal)]
async fn f33_signals_nobody() -> Result<()> {
    Ok(())
}

#[redlock(key = "x", ttl = "10s", reentrant, max_hold = "1m")]
async fn f27_bounds_what_it_joins() -> Result<()> {
    Ok(())
}

#[redlock(key = "x", ttl = "10s", success = |_| true)]
async fn f24_success_of_nothing() -> Result<()> {
    Ok(())
}

#[redlock(key = "x", ttl = "5ms", at_least = "400d", dedupe_for = "9999d")]
async fn f21_out_of_bounds() -> Result<()> {
    Ok(())
}

fn main() {}
