//! Hints about code that is probably not meant: warnings, which are errors here.
#![deny(deprecated)]

use std::time::Duration;

use redlock::{Redlock, Result, redlock};

struct App {
    locks: Redlock,
}

struct OrderId(u64);

#[redlock(key = "order", ttl = "10s", lock = app.locks)]
async fn order(app: &App, id: u64) -> Result<()> {
    Ok(())
}

#[redlock(key("order"), ttl = "10s")]
async fn by_type(OrderId(order): OrderId) -> Result<()> {
    Ok(())
}

#[redlock(key = "{{shop}}:order", ttl = "10m", lock = app.locks)]
async fn both(app: &App, name: &str) -> Result<()> {
    Ok(())
}

enum Reply {
    Done,
    Failed,
}

#[redlock(key = "{id}", ttl = "10s", dedupe_for = "1s", on_error = |_| Reply::Failed)]
async fn own_reply(id: u64) -> Reply {
    Reply::Done
}

// What is meant, in each way to say so.

#[redlock(key = const "order", ttl = Duration::from_secs(600), lock = app.locks)]
async fn meant(app: &App, id: u64) -> Result<()> {
    Ok(())
}

#[redlock(key = "order", ttl = "10m", lock = app.locks)]
#[allow(deprecated)]
async fn allowed(app: &App, id: u64) -> Result<()> {
    Ok(())
}

#[redlock(key = "{id}", ttl = "10s", dedupe_for = "1s", success = |_| true, on_error = |_| Reply::Failed)]
async fn all_replies(id: u64) -> Reply {
    Reply::Done
}

// What is no mistake.

#[redlock(key = "{id}", ttl = "10s", dedupe_for = "1s", on_error = |_| 0)]
async fn number(id: u64) -> u64 {
    id
}

#[redlock(key = "nightly", ttl = "60s", lock = app.locks, on_busy = skip)]
async fn job(app: &App, at_most: Duration, dry: bool, _unused: u64) {}

#[redlock(key = "nightly", ttl = "30s", lock = app.locks, fire = minute, on_busy = skip)]
async fn fired(app: &App, minute: u64) {}

fn main() {}
