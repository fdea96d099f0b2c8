//! The name of `redlock` in the crate that is compiled, if its manifest renames the dependency.

use std::{env, fs, path::Path};

const PACKAGE: &str = "redlock";

/// The name of a dependency that is the package `redlock` under another name. `None` if there is none, or if the manifest
/// cannot be read.
pub(crate) fn renamed() -> Option<String> {
    let folder = env::var_os("CARGO_MANIFEST_DIR")?;
    let folder = Path::new(&folder);
    let read = |folder: &Path| fs::read_to_string(folder.join("Cargo.toml")).ok();
    let own = read(folder)?;
    find(&own, || {
        let mut above = folder.ancestors().filter_map(read);
        above.find(|manifest| manifest.contains("[workspace"))
    })
}

/// The same in the text of a manifest, and in that of the workspace, which may give the name.
fn find(own: &str, workspace: impl FnOnce() -> Option<String>) -> Option<String> {
    let own = dependencies(own);
    if own.iter().any(|dependency| dependency.name == PACKAGE) {
        return None;
    }
    if let Some(renamed) = own.iter().find(|dependency| dependency.is_ours) {
        return Some(renamed.name.replace('-', "_"));
    }
    let workspace = workspace()?;
    let shared = dependencies(&workspace);
    let renamed = shared.iter().find(|shared| {
        shared.is_ours && shared.name != PACKAGE && own.iter().any(|own| own.name == shared.name)
    })?;
    Some(renamed.name.replace('-', "_"))
}

struct Dependency<'a> {
    name: &'a str,
    /// Whether it names the package `redlock`.
    is_ours: bool,
}

/// The dependencies, each on a line or in a table of its own. This is not a complete parser of TOML.
fn dependencies(manifest: &str) -> Vec<Dependency<'_>> {
    let mut found: Vec<Dependency<'_>> = Vec::new();
    // Whether the lines are dependencies, and the one whose table they are in, if any.
    let (mut within, mut table) = (false, None);
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.split(']').next().unwrap_or_default();
            let (parent, last) = header.rsplit_once('.').unwrap_or(("", header));
            within = last.ends_with("dependencies");
            table = parent.ends_with("dependencies").then(|| plain(last));
            if let Some(name) = table {
                found.push(Dependency {
                    name,
                    is_ours: false,
                });
            }
            continue;
        }
        let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let name = plain(name);
        if table.is_some() && name == "package" {
            if let Some(dependency) = found.last_mut() {
                dependency.is_ours = plain(value) == PACKAGE;
            }
        } else if within {
            let (name, key) = name.split_once('.').unwrap_or((name, ""));
            let is_ours = (key == "package" && plain(value) == PACKAGE) || names_package(value);
            found.push(Dependency { name, is_ours });
        }
    }
    found
}

/// `{ package = "redlock", ... }`
fn names_package(table: &str) -> bool {
    table
        .split(['{', ',', '}'])
        .filter_map(|entry| entry.split_once('='))
        .any(|(key, value)| plain(key) == "package" && plain(value) == PACKAGE)
}

/// The text without spaces, quotes and a trailing comment.
fn plain(text: &str) -> &str {
    let text = text.split('#').next().unwrap_or_default();
    text.trim().trim_matches(['"', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_dependency_is_found() {
        for own in [
            "[package]\nname = \"shop\"\n[dependencies]\nmy-locks = { package = \"redlock\", version = \"1\" } # ours",
            "[dependencies]\nmy-locks = {version='1',package='redlock'}",
            "[dependencies.my-locks]\nversion = \"1\"\npackage = \"redlock\"",
            "[target.'cfg(unix)'.dependencies]\nmy-locks = { package = \"redlock\" }",
            "[dev-dependencies]\nmy-locks.package = \"redlock\"\nmy-locks.version = \"1\"",
        ] {
            assert_eq!(find(own, || None).as_deref(), Some("my_locks"), "{own}");
        }
        let inherits = "[dependencies]\nmy-locks = { workspace = true }\nother = \"1\"";
        let dotted = "[dependencies]\nmy-locks.workspace = true";
        let root = "[workspace]\n[workspace.dependencies]\nunused = \"2\"\nmy-locks = { package = \"redlock\", path = \"x\" }";
        for own in [inherits, dotted] {
            let found = find(own, || Some(root.into()));
            assert_eq!(found.as_deref(), Some("my_locks"), "{own}");
        }
    }

    #[test]
    fn a_dependency_named_redlock_is_preferred() {
        for own in [
            "[package]\nname = \"redlock\"",
            "[dependencies]\nredlock = \"1\"\npeer = { package = \"redlock\", version = \"2\" }",
            "[dependencies]\nredlock.workspace = true\n[dev-dependencies]\npeer = { package = \"redlock\" }",
            "[dependencies]\n# locks = { package = \"redlock\" }\nother = { package = \"redlock-tower\" }",
            "[package.metadata]\nlocks = { package = \"redlock\" }",
            "",
        ] {
            assert_eq!(find(own, || None), None, "{own}");
        }
    }
}
