//! Another process with a client of its own: the program `worker` with one task.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tests::{Cluster, within};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::support::{BOUND, KEY};

const WORKER: &str = env!("CARGO_BIN_EXE_worker");

/// A process, which is killed when this is dropped.
pub(crate) struct Worker {
    process: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    pub(crate) fn start(job: &str, cluster: &Cluster, args: &[&str]) -> Self {
        Self::run(Command::new(WORKER), job, cluster, args)
    }

    /// One whose machine was started `earlier` than this one, according to the clocks that count from there. `None` if
    /// the tests lack the rights for that.
    pub(crate) async fn start_elsewhere(
        earlier: Duration,
        job: &str,
        cluster: &Cluster,
        args: &[&str],
    ) -> Option<Self> {
        let mut program = Command::new("unshare");
        program.args(["--time", "--fork", "--kill-child"]);
        for clock in ["--boottime", "--monotonic"] {
            program.arg(clock).arg(earlier.as_secs().to_string());
        }
        let mut trial = Command::new("unshare");
        trial.args(program.as_std().get_args()).arg("true");
        let allowed = trial.stderr(Stdio::null()).status().await;
        if !allowed.is_ok_and(|status| status.success()) {
            return None;
        }
        program.arg(WORKER);
        Some(Self::run(program, job, cluster, args))
    }

    fn run(mut program: Command, job: &str, cluster: &Cluster, args: &[&str]) -> Self {
        let mut process = program
            .args([job, &cluster.urls().join(","), KEY])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the worker runs");
        let stdin = process.stdin.take().expect("a pipe");
        let stdout = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        Self {
            process,
            stdin,
            stdout,
        }
    }

    /// What follows `word` in the next line that starts with it.
    pub(crate) async fn line(&mut self, word: &str) -> String {
        within(BOUND, async {
            loop {
                let line = self
                    .stdout
                    .next_line()
                    .await
                    .expect("text")
                    .unwrap_or_else(|| panic!("it ended before {word:?}"));
                if let Some(rest) = line.strip_prefix(word) {
                    return rest.trim().to_owned();
                }
            }
        })
        .await
    }

    pub(crate) async fn say(&mut self, line: &str) {
        self.stdin
            .write_all(format!("{line}\n").as_bytes())
            .await
            .expect("it listens");
    }

    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// As a crash.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        let pid = self
            .process
            .id()
            .and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
        kill_process(pid.expect("it has not ended"), signal).expect("a signal to it");
    }
}
