//! A client of a library of another language, as a process that receives commands.

use std::io::{Write, stderr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tests::{Cluster, within};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Time for a command to be carried out, and for a process to load its library.
const PATIENCE: Duration = Duration::from_secs(60);

/// Other libraries that send `SET key value NX PX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Library {
    /// `redlock`, of npm.
    NodeRedlock,
    /// `pottery`, of PyPI.
    Pottery,
    /// `redlock-py`, of PyPI.
    RedlockPy,
    /// The lock of `redis`, of PyPI: on one node.
    RedisPy,
}

impl Library {
    pub(crate) const QUORUM_LOCKS: [Self; 3] = [Self::NodeRedlock, Self::Pottery, Self::RedlockPy];

    fn name(self) -> &'static str {
        match self {
            Self::NodeRedlock => "redlock",
            Self::Pottery => "pottery",
            Self::RedlockPy => "redlock-py",
            Self::RedisPy => "redis-py",
        }
    }

    /// Whether the library can extend a lock.
    pub(crate) fn extends(self) -> bool {
        self != Self::RedlockPy
    }

    /// Whether the library reports a release that came too late.
    pub(crate) fn tells_late_releases(self) -> bool {
        self != Self::RedlockPy
    }

    /// A command that runs a program with the library, in the folder where it is installed. Returns `None` and prints a note if
    /// it is not installed.
    pub(crate) fn interpreter(self) -> Option<Command> {
        let installed = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("interop");
        let (folder, interpreter) = match self {
            Self::NodeRedlock => (installed.join("node"), PathBuf::from("node")),
            _ => (
                installed.join("python"),
                installed.join("python/bin/python"),
            ),
        };
        if !folder.join(".pins").is_file() {
            // Not by `eprintln!`, whose output the test harness hides if a test passes.
            let _ = writeln!(
                stderr(),
                "NOT TESTED against {}: it is not installed, scripts/interop-setup does it",
                self.name()
            );
            return None;
        }
        let mut command = Command::new(interpreter);
        command.current_dir(folder);
        Some(command)
    }

    /// The program that drives the library.
    fn program(self) -> Option<Command> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
        let source = match self {
            Self::NodeRedlock => "peer.mjs",
            _ => "peer.py",
        };
        let mut command = self.interpreter()?;
        command.arg(sources.join(source)).arg(self.name());
        Some(command)
    }
}

/// A running client, which ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Peer {
    library: Library,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Peer {
    /// A client that locks `key` on all nodes; `None` if the library is not installed.
    pub(crate) fn start(library: Library, cluster: &Cluster, key: &str) -> Option<Self> {
        let mut process = library
            .program()?
            .arg(key)
            .args(cluster.urls())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the interpreter of a library that is installed");
        Some(Self {
            library,
            orders: process.stdin.take().expect("its input"),
            answers: BufReader::new(process.stdout.take().expect("its output")).lines(),
            _process: process,
        })
    }

    /// Tries once to acquire the lock. Returns whether the client has it.
    pub(crate) async fn acquire(&mut self, ttl: Duration) -> bool {
        self.ask(&format!("acquire {}", ttl.as_millis()), "held", "busy")
            .await
    }

    /// Extends the lock. Returns whether it was still held.
    pub(crate) async fn extend(&mut self, ttl: Duration) -> bool {
        self.ask(&format!("extend {}", ttl.as_millis()), "extended", "lost")
            .await
    }

    /// Releases the lock. Returns whether it was still held.
    pub(crate) async fn release(&mut self) -> bool {
        self.ask("release", "released", "lost").await
    }

    /// Increments the number in `file` that many times, each time under the lock.
    pub(crate) async fn count(&mut self, file: &Path, turns: u64) {
        assert!(
            self.ask(&format!("count {} {turns}", file.display()), "counted", "")
                .await
        );
    }

    async fn ask(&mut self, order: &str, yes: &str, no: &str) -> bool {
        let asked = async {
            self.orders
                .write_all(format!("{order}\n").as_bytes())
                .await
                .expect("a client that listens");
            self.answers.next_line().await.expect("lines of text")
        };
        match within(PATIENCE, asked).await {
            Some(answer) if answer == yes => true,
            Some(answer) if answer == no => false,
            answer => panic!("{:?} answered {answer:?} to `{order}`", self.library),
        }
    }
}
