//! Where the examples' programs are: built once for each run of these tests, so that no stale one is tested.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static BUILT: LazyLock<Option<HashMap<String, PathBuf>>> = LazyLock::new(|| {
    tests::built::build(
        &["--package", "examples", "--bins"],
        env!("CARGO_TARGET_TMPDIR"),
    )
});

/// The program of that name.
pub(crate) fn program(name: &str) -> &'static Path {
    let built = BUILT
        .as_ref()
        .expect("`cargo build --package examples` failed, see its errors above");
    built
        .get(name)
        .unwrap_or_else(|| panic!("the package `examples` has no program `{name}`"))
}
