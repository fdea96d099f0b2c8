//! What the compiler says about the attribute: nothing in `ui/pass`, something that helps in `ui/fail`.
//!
//! `TRYBUILD=overwrite` writes the expected messages anew; look at each before it is kept.

#![allow(clippy::unwrap_used, reason = "a test that unwraps fails at its line")]

#[test]
fn pass() {
    trybuild::TestCases::new().pass("tests/ui/pass/*.rs");
}

/// The compiler whose words stand in the `.stderr` files.
const WRITTEN_WITH: &str = "rustc 1.95.";

/// Other versions say the same in other words, and are not asked.
#[test]
fn fail() {
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
    trybuild::TestCases::new().compile_fail("tests/ui/fail/*.rs");
}
