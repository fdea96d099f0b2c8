//! What may be returned, and how.
#![deny(
    warnings,
    missing_docs,
    unused_qualifications,
    unreachable_pub,
    let_underscore_drop,
    rust_2018_idioms,
    single_use_lifetimes
)]
// Written as users write it.
#![allow(clippy::needless_question_mark, clippy::needless_pass_by_value)]

use redlock::redlock;

#[redlock(key = "x", ttl = "10s")]
async fn boxed() -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
    let number: u8 = "7".parse()?;
    if number > 7 {
        Err("too much")?;
    }
    Ok(number)
}

#[redlock(key = "x", ttl = "10s", on_busy = skip)]
async fn unit() {
    if std::env::args().count() > 1 {
        return;
    }
}

#[redlock(key = "x", ttl = "10s", on_busy = skip)]
async fn option() -> Option<u8> {
    let first = std::env::args().next()?;
    Some(first.parse().ok()?)
}

#[redlock(key = "x", ttl = "10s", on_busy = skip)]
async fn result_unit() -> redlock::Result<()> {
    Ok(())
}

#[redlock(key = "x", ttl = "10s", on_busy = skip)]
async fn result_option() -> redlock::Result<Option<u8>> {
    Ok(None)
}

#[redlock(key = "x", ttl = "10s", on_error = |error| error.to_string())]
async fn closure() -> String {
    String::new()
}

#[redlock(key = "x", ttl = "10s", on_error = code)]
async fn path() -> Result<u8, u16> {
    Ok(1)
}

#[redlock(key = "x", ttl = "10s", on_busy = skip, on_error = code)]
async fn both() -> Result<Option<u8>, u16> {
    Ok(Some(1))
}

fn code<T>(error: redlock::Error) -> Result<T, u16> {
    Err(if error.is_busy() { 409 } else { 503 })
}

#[test]
fn compiles() {
    let _futures = (
        boxed,
        unit,
        option,
        result_unit,
        result_option,
        closure,
        path,
        both,
    );
}
