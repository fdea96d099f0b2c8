//! The compiler's messages for wrong uses of the attribute.
//!
//! `TRYBUILD=overwrite` writes the expected messages anew; review each of them before you commit it. Uses that have to compile
//! are in `tests/tests/expansion`.

#![allow(clippy::unwrap_used, reason = "a test that unwraps fails at its line")]

/// The compiler that wrote the `.stderr` files. Other versions word their messages differently.
const WRITTEN_WITH: &str = "rustc 1.95.";

#[test]
fn wrong_uses_are_explained() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = std::process::Command::new(rustc)
        .arg("--version")
        .output()
        .unwrap()
        .stdout;
    let version = String::from_utf8_lossy(&version);
    if !version.starts_with(WRITTEN_WITH) {
        println!("skipped: the messages are those of {WRITTEN_WITH}x, this is {version}");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
