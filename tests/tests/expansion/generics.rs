//! Generics, lifetimes, patterns, `impl Trait`.
#![deny(
    warnings,
    missing_docs,
    unused_qualifications,
    unreachable_pub,
    let_underscore_drop,
    rust_2018_idioms,
    single_use_lifetimes
)]

use std::fmt::{Debug, Display};

use redlock::{Result, redlock};

#[redlock(key("{:?}", value), ttl = "10s")]
async fn generic<T: Debug, const N: usize>(value: [T; N]) -> Result<[T; N]> {
    Ok(value)
}

#[redlock(key = const "x", ttl = "10s")]
async fn lifetimes<'a>(a: &'a str, b: &'a str) -> Result<&'a str> {
    if a.is_empty() {
        return Ok(b);
    }
    Ok(a)
}

#[redlock(key = "{a}:{b}", ttl = "10s")]
async fn patterns((a, mut b): (u8, u8), [_, rest @ ..]: [u8; 3], _: ()) -> Result<u8> {
    b += rest[0];
    Ok(a + b)
}

#[redlock(key = "{shown}", ttl = "10s")]
async fn impls(shown: impl Display + Send) -> Result<impl Iterator<Item = u8>> {
    let _length = shown.to_string().len();
    Ok(0..3)
}

#[rustfmt::skip]
#[redlock(key = "line", ttl = "10s")]
async fn one_line() -> Result<u8> { Ok(1) }

fn send<T: Send>(_: T) {}

#[test]
fn compiles() {
    send(one_line());
    send(generic([1]));
    send(lifetimes("a", "b"));
    send(patterns((1, 2), [1, 2, 3], ()));
    send(impls("x"));
}
