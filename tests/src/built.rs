//! Programs of the workspace, built for tests that run them as processes.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

/// Builds with `cargo build ARGS` what the tests of the target directory of `tmpdir` run;
/// `env!("CARGO_TARGET_TMPDIR")` is that. Returns the programs by their names, or `None` if the
/// build fails. Cargo prints the cause.
///
/// Cargo reports the path of each program, for any target directory and profile. An up-to-date
/// program is not built again.
///
/// # Panics
/// If cargo does not run.
#[must_use]
pub fn build(args: &[&str], tmpdir: &str) -> Option<HashMap<String, PathBuf>> {
    let target = Path::new(tmpdir).parent().expect("the target directory");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .arg("build")
        .args(args)
        .args([
            "--message-format",
            "json-render-diagnostics",
            "--target-dir",
        ])
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
