//! Above and below `#[instrument]`.
#![deny(
    warnings,
    missing_docs,
    unused_qualifications,
    unreachable_pub,
    let_underscore_drop,
    rust_2018_idioms,
    single_use_lifetimes
)]

use redlock::{Result, redlock};
use tracing::instrument;

#[redlock(key = "{id}", ttl = "10s")]
#[instrument(ret, err)]
async fn above(id: u8) -> Result<u8> {
    Ok(id)
}

#[instrument(ret, err)]
#[redlock(key = "{id}", ttl = "10s", guard = held)]
async fn below(id: u8) -> Result<u8> {
    assert!(!held.is_lost());
    Ok(id)
}

#[test]
fn compiles() {
    let _futures = (above, below);
}
