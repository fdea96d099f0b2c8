//! The watcher: a process that kills the command when this program can no longer do so.
//!
//! If this program is killed, or stopped for longer than its lock is valid, the command would continue without a lock. So a
//! second process of this program reads from a pipe: first the process group of the command, then repeatedly the remaining
//! validity of the lock, and finally that the command has ended. It kills the group if the pipe closes before that, or if the
//! validity expires without a new report. It has its own process group, so that it does not receive signals to this program's.

use std::{
    env,
    process::{ExitCode, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, Command},
    time::{Instant, timeout_at},
};

use crate::{
    failure::{FAILED, Failure},
    output::millis,
};

/// The command with which this program starts itself as a watcher.
pub(crate) const NAME: &str = "__watch";

/// Sent instead of a validity: the command has ended.
const DONE: &str = "done";

/// The program's side of the watcher.
#[derive(Debug)]
pub(crate) struct Watcher {
    process: Child,
    /// `None` once the command has ended.
    pipe: Option<ChildStdin>,
}

impl Watcher {
    pub(crate) fn start() -> Result<Self, Failure> {
        let failed = |error| Failure::new(FAILED, format!("no watcher can be started: {error}"));
        let mut process = Command::new(env::current_exe().map_err(failed)?)
            .arg(NAME)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let pipe = process.stdin.take();
        Ok(Self { process, pipe })
    }

    /// Sends the process group.
    pub(crate) async fn watch(&mut self, group: Pid, valid_for: Duration) {
        let group = group.as_raw_nonzero();
        self.write(format!("{group}\n{}\n", millis(valid_for)))
            .await;
    }

    pub(crate) async fn is_valid_for(&mut self, time: Duration) {
        self.write(format!("{}\n", millis(time))).await;
    }

    /// Reports that the command has ended. From now on, another process may have its process id.
    pub(crate) async fn done(&mut self) {
        self.write(format!("{DONE}\n")).await;
        self.pipe = None;
        // The watcher may have been killed. It is not needed any more.
        let _ = self.process.wait().await;
    }

    async fn write(&mut self, line: String) {
        if let Some(pipe) = &mut self.pipe {
            // If the watcher was killed, the command continues without it.
            let _ = pipe.write_all(line.as_bytes()).await;
        }
    }
}

/// The process itself.
pub(crate) async fn watch() -> ExitCode {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let first = lines.next_line().await.ok().flatten();
    let group = first
        .and_then(|line| line.parse().ok())
        .and_then(Pid::from_raw);
    let Some(group) = group else {
        return ExitCode::SUCCESS;
    };
    let mut valid_until = None;
    loop {
        let line = match valid_until {
            None => lines.next_line().await,
            Some(end) => match timeout_at(end, lines.next_line()).await {
                Ok(line) => line,
                Err(_) => break,
            },
        };
        match line {
            Ok(Some(line)) if line == DONE => return ExitCode::SUCCESS,
            Ok(Some(line)) => {
                let left = line.parse().map(Duration::from_millis);
                valid_until = left.ok().map(|left| Instant::now() + left);
            }
            Ok(None) | Err(_) => break,
        }
    }
    // All of them may have ended by now.
    let _ = kill_process_group(group, Signal::KILL);
    ExitCode::SUCCESS
}
