//! Attributes, visibility and docs stay.
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
#![allow(clippy::double_must_use)]

/// The module.
pub mod inner {
    use redlock::{Result, redlock};

    /// Documented, or `missing_docs` would have a word.
    #[redlock(key = "x", ttl = "10s")]
    #[must_use]
    #[inline]
    pub async fn public() -> Result<()> {
        Ok(())
    }

    #[redlock(key = const "x", ttl = "10s")]
    #[expect(unused_variables, reason = "seen through the expansion")]
    pub(crate) async fn inner(unused: u8) -> Result<()> {
        #![allow(unused_mut)]
        let mut two = 2;
        let _ = two;
        Ok(())
    }

    #[redlock(key = "x", ttl = "10s")]
    #[cfg(any())]
    pub async fn never_there() -> Missing {}
}

#[test]
fn compiles() {
    let _futures = (inner::public, inner::inner);
}
