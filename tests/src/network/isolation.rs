//! Runs a program in network and mount namespaces of its own.
//!
//! The kernel removes both, and every interface and named namespace in them, with the last process
//! in them. So nothing is left behind however the program ends, and no interface of the machine is
//! touched.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::tools::{last_line, tool};

/// Where `ip netns` keeps its named namespaces.
pub(super) const NAMED: &str = "/var/run/netns";

/// As root; and as a user where the system lets users create namespaces.
const WAYS: [&[&str]; 2] = [
    &["--net", "--mount"],
    &["--user", "--map-root-user", "--net", "--mount"],
];

/// The names of namespaces go to a file system of their own, so that they are neither seen nor left
/// outside.
const ENTER: &str = r#"
dir=/var/run/netns
[ -d "$dir" ] || dir=/var/run
mount -t tmpfs redlock-network "$dir" && mkdir -p /var/run/netns && ip link set lo up && exec "$@"
"#;

/// What [`Network::build`](super::Network::build) needs.
const TRIAL: &str = "\
ip netns add trial && ip link add trial0 type veth peer name trial1 netns trial && \
nsenter --net=/var/run/netns/trial -- tc qdisc show";

/// Why no network can be built here.
#[derive(Debug)]
pub struct Unavailable(String);

impl Unavailable {
    pub(super) fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unavailable {}

/// `program` in namespaces of its own, where it may build a [`Network`](super::Network).
///
/// It has the process id of the command and sees this machine's files, but of its network only the
/// loopback interface.
///
/// # Errors
///
/// When a tool or the rights for it are missing; the message says which.
pub fn isolated(program: &Path) -> Result<Command, Unavailable> {
    for (name, package) in [
        ("ip", "iproute2"),
        ("tc", "iproute2"),
        ("unshare", "util-linux"),
        ("nsenter", "util-linux"),
    ] {
        let found = tool(name)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if found.is_err() {
            return Err(Unavailable(format!(
                "there is no `{name}`, which the package {package} has"
            )));
        }
    }
    let mut reasons = Vec::new();
    for way in WAYS {
        let mut trial = unshare(way);
        trial.args(["sh", "-c", TRIAL]).stdin(Stdio::null());
        match trial.output() {
            Ok(output) if output.status.success() => {
                let mut command = unshare(way);
                command.arg(program);
                return Ok(command);
            }
            Ok(output) => reasons.push(last_line(&output.stderr)),
            Err(error) => reasons.push(error.to_string()),
        }
    }
    Err(Unavailable(format!(
        "no rights to create network namespaces, neither as they are ({}) nor in a user namespace ({})",
        reasons[0], reasons[1]
    )))
}

fn unshare(way: &[&str]) -> Command {
    let mut command = tool("unshare");
    command.args(way).args(["--", "sh", "-c", ENTER, "sh"]);
    command
}

/// Whether this process is in such namespaces, by the file system that they have.
pub(super) fn check() -> Result<(), Unavailable> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").map_err(Unavailable::new)?;
    if mounts
        .lines()
        .any(|line| line.starts_with("redlock-network "))
    {
        return Ok(());
    }
    Err(Unavailable::new(
        "this process is not in a network namespace of its own: start it with `network::isolated`",
    ))
}

/// Moves the calling thread into the namespace of that file.
#[cfg(target_os = "linux")]
pub(super) fn enter(namespace: &Path) -> std::io::Result<()> {
    use std::os::fd::AsFd;

    let file = std::fs::File::open(namespace)?;
    let kind = rustix::thread::LinkNameSpaceType::Network;
    Ok(rustix::thread::move_into_link_name_space(
        file.as_fd(),
        Some(kind),
    )?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn enter(_namespace: &Path) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}
