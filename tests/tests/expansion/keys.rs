//! Templates, expressions behind templates, and anything else.
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

struct User {
    id: (u8, u8),
    r#type: String,
}

const AREA: &str = "eu";

#[redlock(
    key = "{AREA}:{{tag}}:{user.id.0}:{user.r#type:?}:{n:>04}",
    ttl = "10s"
)]
async fn template(user: &User, n: u8) -> Result<()> {
    Ok(())
}

#[redlock(key("{}:{1}:{named}:{n}", user.id.1, n + 1, named = user.r#type.len()), ttl = "10s")]
async fn behind(user: &User, n: u8) -> Result<()> {
    Ok(())
}

#[redlock(key = concat!("a", "b"), ttl = "10s")]
async fn verbatim() -> Result<()> {
    Ok(())
}

#[test]
fn compiles() {
    let _futures = (template, behind, verbatim);
}
