//! A renamed crate.
#![deny(
    warnings,
    missing_docs,
    unused_qualifications,
    unreachable_pub,
    let_underscore_drop,
    rust_2018_idioms,
    single_use_lifetimes
)]

mod vendor {
    pub(crate) use redlock as mutex;
}

#[vendor::mutex::redlock(crate = vendor::mutex, key = "{id}", ttl = "10s", dedupe_for = "1s", guard = held)]
async fn renamed(id: u8) -> vendor::mutex::Result<u8> {
    held.lost().await;
    Ok(id)
}

#[vendor::mutex::redlock(crate = vendor::mutex, key = "x", ttl = "10s", on_busy = skip, fire = at)]
async fn fires(at: u64) {}

#[test]
fn compiles() {
    let _futures = (renamed, fires);
}
