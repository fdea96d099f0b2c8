//! Further versions of the server: `scripts/servers` fetches some below `target/servers`, `REDIS_SERVERS` names others
//! (their binaries, separated by colons).

use std::env;
use std::path::{Path, PathBuf};

/// The binaries of further versions, besides the one that [`Cluster`](crate::Cluster) starts.
#[must_use]
pub fn further_servers() -> Vec<PathBuf> {
    let named = env::var_os("REDIS_SERVERS").unwrap_or_default();
    let mut servers: Vec<PathBuf> = env::split_paths(&named)
        .filter(|path| !path.as_os_str().is_empty())
        .collect();
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/servers");
    for entry in std::fs::read_dir(fetched).into_iter().flatten().flatten() {
        let server = entry.path().join("server");
        if server.is_file() {
            servers.push(server);
        }
    }
    servers.sort();
    servers
}
