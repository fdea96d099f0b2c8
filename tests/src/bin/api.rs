//! Compares the public API of the crates with `api.txt` in the folder of each. Something that is gone or has changed is an error,
//! since users may rely on it; what is new is only printed. With `--overwrite` it writes the lists again.
//!
//! It reads the documentation: `cargo doc --workspace --all-features --no-deps` has to run before.

use std::{
    collections::BTreeSet,
    env, fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use tests::api::{CRATES, listing};

/// Fewer lines mean that the documentation was not understood.
const MIN: usize = 100;

fn main() -> ExitCode {
    let overwrite = match env::args().nth(1).as_deref() {
        None => false,
        Some("--overwrite") => true,
        Some(other) => {
            eprintln!("api: unknown argument `{other}`, the only one is --overwrite");
            return ExitCode::from(2);
        }
    };
    let mut gone = Vec::new();
    for (folder, name) in CRATES {
        match compare(folder, name, overwrite) {
            Ok(lines) => gone.extend(lines),
            Err(error) => {
                eprintln!("api: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    if gone.is_empty() {
        return ExitCode::SUCCESS;
    }
    for line in gone {
        eprintln!("gone or changed: {line}");
    }
    eprintln!(
        "api: if that is meant, say so in CHANGELOG.md, and write the lists again by `cargo run -p tests --bin api -- --overwrite`"
    );
    ExitCode::FAILURE
}

/// The lines of the list that the documentation no longer has.
fn compare(folder: &str, name: &str, overwrite: bool) -> io::Result<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let now = listing(&target.join("doc"), name).map_err(|error| {
        let build = "cargo doc --workspace --all-features --no-deps";
        io::Error::other(format!(
            "no documentation of {name}, build it by `{build}`: {error}"
        ))
    })?;
    if now.len() < MIN {
        let text = format!(
            "{} items in the documentation of {name}: it is not understood",
            now.len()
        );
        return Err(io::Error::other(text));
    }
    let file = root.join(folder).join("api.txt");
    if overwrite {
        let text: String = now.iter().map(|line| format!("{line}\n")).collect();
        fs::write(&file, text)?;
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(&file)?;
    let listed: BTreeSet<String> = text.lines().map(ToOwned::to_owned).collect();
    for line in now.difference(&listed) {
        println!("new, not listed yet: {line}");
    }
    Ok(listed.difference(&now).cloned().collect())
}
