//! Names of the user that a careless expansion would meet.
#![deny(
    warnings,
    missing_docs,
    unused_qualifications,
    unreachable_pub,
    let_underscore_drop,
    rust_2018_idioms,
    single_use_lifetimes
)]
#![no_implicit_prelude]
#![allow(dead_code, missing_docs, unreachable_pub)]

mod core {}
mod std {}
mod redlock {}
struct Option;
struct Result;
struct Some;
struct Ok;
struct Err;

#[::redlock::redlock(key = "{call}:{value}", ttl = "10s", lock = lock, guard = held, dedupe_for = "1s", condition = error > 0)]
async fn clashes(
    lock: &::redlock::Redlock,
    call: u8,
    value: u8,
    error: u64,
) -> ::redlock::Result<u8> {
    if held.is_none() {
        return ::redlock::Result::Ok(0);
    }
    ::redlock::Result::Ok(call + value)
}
