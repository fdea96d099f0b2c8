//! Where the examples' programs are: built once for each run of these tests, so that no stale one is tested.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;

static BUILT: LazyLock<Option<HashMap<String, PathBuf>>> = LazyLock::new(build);

/// The program of that name.
pub(crate) fn program(name: &str) -> &'static Path {
    let built = BUILT
        .as_ref()
        .expect("`cargo build --package examples` failed, see its errors above");
    built
        .get(name)
        .unwrap_or_else(|| panic!("the package `examples` has no program `{name}`"))
}

/// Cargo itself says where each one is, whatever the target directory and the profile. Nothing is done where all is fresh.
fn build() -> Option<HashMap<String, PathBuf>> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("the target directory");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([
        "build",
        "--package",
        "examples",
        "--bins",
        "--message-format",
        "json-render-diagnostics",
    ]);
    cargo
        .arg("--target-dir")
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");
    if !output.status.success() {
        return None;
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let programs = said.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        Some((
            message["target"]["name"].as_str()?.to_owned(),
            message["executable"].as_str()?.into(),
        ))
    });
    Some(programs.collect())
}
