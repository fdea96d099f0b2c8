//! The program as a process: its lines, its signals, its end. It never outlives its test.

use std::{
    collections::HashMap, fs, path::PathBuf, process::Stdio, sync::LazyLock, time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tests::{Cluster, eventually, within};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
    time::sleep,
};

/// Time for a line to appear, and for a program to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

static BUILT: LazyLock<Option<HashMap<String, PathBuf>>> = LazyLock::new(|| {
    let args = [
        "--package",
        "redlock@0.1.0",
        "--features",
        "cli",
        "--bin",
        "redlock",
    ];
    tests::built::build(&args, env!("CARGO_TARGET_TMPDIR"))
});

pub(crate) struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: JoinHandle<String>,
}

#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Starts the program with the nodes in its environment, and with the label `cron-1`.
pub(crate) fn start(cluster: &Cluster, args: &[&str]) -> Program {
    start_with(&cluster.urls().join(","), args, Stdio::null())
}

pub(crate) fn start_with(nodes: &str, args: &[&str], stdin: Stdio) -> Program {
    spawn(nodes, &[], args, stdin)
}

/// Starts it through another program, which gets the path and the arguments at the end of its own.
pub(crate) fn start_through(cluster: &Cluster, wrapper: &[&str], args: &[&str]) -> Program {
    spawn(&cluster.urls().join(","), wrapper, args, Stdio::piped())
}

/// Starts the program without ignored signals. These tests may ignore some, for example under `nohup` or in the background of
/// a script; that is inherited, and a shell cannot undo it.
fn spawn(nodes: &str, wrapper: &[&str], args: &[&str], stdin: Stdio) -> Program {
    let mut child = Command::new("env")
        .arg("--default-signal")
        .args(wrapper)
        .arg(program())
        .args(args)
        .env("REDLOCK_NODES", nodes)
        .env("REDLOCK_LABEL", "cron-1")
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program starts");
    let stdin = child.stdin.take();
    let stdout = BufReader::new(child.stdout.take().expect("its output")).lines();
    let mut pipe = child.stderr.take().expect("its errors");
    let stderr = tokio::spawn(async move {
        let mut text = String::new();
        pipe.read_to_string(&mut text).await.expect("a text");
        text
    });
    Program {
        child,
        stdin,
        stdout,
        stderr,
    }
}

/// Starts three servers after the program is built: while a test waits for the build, no lock is renewed.
pub(crate) async fn three_servers() -> Cluster {
    program();
    Cluster::start(3).await
}

/// The path of the program.
pub(crate) fn program() -> &'static PathBuf {
    let built = BUILT
        .as_ref()
        .expect("the program failed to build, see the errors above");
    &built["redlock"]
}

/// Runs the program to its end.
pub(crate) async fn run(cluster: &Cluster, args: &[&str]) -> Ended {
    start(cluster, args).ended().await
}

impl Program {
    /// The next line of its output.
    pub(crate) async fn line(&mut self) -> String {
        let line = within(PATIENCE, self.stdout.next_line()).await;
        line.expect("a text").expect("a further line")
    }

    /// Reads until a line contains `words`, and returns it.
    pub(crate) async fn line_with(&mut self, words: &str) -> String {
        let line = async {
            loop {
                let line = self.line().await;
                if line.contains(words) {
                    return line;
                }
            }
        };
        within(PATIENCE, line).await
    }

    /// Writes to its terminal.
    pub(crate) async fn presses(&mut self, key: &str) {
        let stdin = self.stdin.as_mut().expect("a terminal");
        stdin.write_all(key.as_bytes()).await.expect("it reads");
        stdin.flush().await.expect("it reads");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).expect("a signal to our own child");
    }

    pub(crate) fn id(&self) -> Pid {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        id.and_then(Pid::from_raw).expect("it runs")
    }

    /// The process that watches it.
    pub(crate) fn watcher(&self) -> Pid {
        let is_watcher = |child: &String| {
            let line = fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default();
            line.contains("__watch")
        };
        let watcher = self.children().into_iter().find(is_watcher);
        let id = watcher.and_then(|child| child.parse().ok());
        id.and_then(Pid::from_raw).expect("a watcher")
    }

    /// Stops the program while it waits for its watcher to be ready. Returns `false` if it has already started its command.
    pub(crate) async fn stop_before_its_command(&self) -> bool {
        let watched = async {
            while self.children().is_empty() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        within(PATIENCE, watched).await;
        self.signal(Signal::STOP);
        let id = self.id().as_raw_nonzero().to_string();
        eventually(PATIENCE, async || state(&id) == Some('T')).await;
        self.children().len() == 1
    }

    fn children(&self) -> Vec<String> {
        let id = self.id().as_raw_nonzero();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.expect("the children of a process");
        children.split_whitespace().map(str::to_owned).collect()
    }

    pub(crate) async fn ended(mut self) -> Ended {
        let mut stdout = Vec::new();
        let rest = async {
            while let Some(line) = self.stdout.next_line().await.expect("a text") {
                stdout.push(line);
            }
            self.child.wait().await.expect("its status")
        };
        let status = within(PATIENCE, rest).await;
        Ended {
            code: status.code(),
            stdout: stdout.join("\n"),
            stderr: within(PATIENCE, self.stderr).await.expect("its errors"),
        }
    }
}

/// Waits until the process of that number has ended.
pub(crate) async fn gone(process: &str) {
    eventually(PATIENCE, async || !is_running(process)).await;
}

/// A zombie that no process waits for has ended.
pub(crate) fn is_running(process: &str) -> bool {
    state(process).is_some_and(|state| !['Z', 'X'].contains(&state))
}

/// The state of a process: `T` if it is stopped.
fn state(process: &str) -> Option<char> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let state = status.lines().find_map(|line| line.strip_prefix("State:"));
    state.and_then(|state| state.trim().chars().next())
}
