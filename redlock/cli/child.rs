//! The command that runs under the lock, in the process group of its watcher, and its end.

use std::{
    ffi::OsString,
    io::{self, IsTerminal as _},
    os::unix::process::ExitStatusExt as _,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{self, Command};

use crate::{
    failure::{CANNOT_START, FAILED, Failure, LOST, NOT_FOUND, SIGNALLED},
    watch::Watcher,
};

#[derive(Debug)]
pub(crate) struct Child {
    process: process::Child,
    group: Pid,
    watcher: Watcher,
}

impl Child {
    /// Starts the command with the given `variable` in its environment, unless the lock is lost. `valid_for` returns the remaining
    /// validity of the lock.
    pub(crate) async fn start(
        command: &[OsString],
        (variable, token): (&str, &str),
        valid_for: impl Fn() -> Duration,
    ) -> Result<Self, Failure> {
        let Some((program, args)) = command.split_first() else {
            return Err(Failure::new(NOT_FOUND, "there is no command to run"));
        };
        let mut watcher = Watcher::start().await?;
        let Some(group) = watcher.group() else {
            return Err(Failure::new(FAILED, "the watcher has no process id"));
        };
        watcher.is_valid_for(valid_for()).await;
        // This process may have been stopped since the grant.
        if valid_for().is_zero() {
            let text = "the lock was lost before the command was started";
            return Err(Failure::new(LOST, text));
        }
        let mut command = Command::new(program);
        command.args(args).env(variable, token);
        command.process_group(group.as_raw_nonzero().get());
        if io::stdin().is_terminal() {
            // A process group in the background is stopped when it reads from a terminal.
            command.stdin(Stdio::null());
        }
        let process = command.spawn().map_err(|error| {
            let code = match error.kind() {
                io::ErrorKind::NotFound => NOT_FOUND,
                _ => CANNOT_START,
            };
            let program = program.to_string_lossy();
            Failure::new(
                code,
                format!("`{}` cannot be started: {error}", program.escape_debug()),
            )
        })?;
        Ok(Self {
            process,
            group,
            watcher,
        })
    }

    /// Resolves when the command has ended. Processes that it left behind continue.
    pub(crate) async fn ended(&mut self) -> Result<ExitStatus, Failure> {
        let status = self.process.wait().await.map_err(|error| unknown(&error))?;
        self.watcher.dismiss().await;
        Ok(status)
    }

    /// Reports that the lock is valid for this long from now.
    pub(crate) async fn is_valid_for(&mut self, time: Duration) {
        self.watcher.is_valid_for(time).await;
    }

    /// Sends a signal to the command and all processes of its group, one of which is the watcher. The command may have ended.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.group, signal);
    }

    /// Kills the command and all processes of its group, and waits for the end of the command.
    pub(crate) async fn kill(&mut self) -> Result<(), Failure> {
        self.signal(Signal::KILL);
        self.ended().await.map(drop)
    }
}

fn unknown(error: &io::Error) -> Failure {
    Failure::new(
        FAILED,
        format!("it is not known how the command ended: {error}"),
    )
}

/// The exit code of a command, following the convention of shells.
pub(crate) fn code_of(status: ExitStatus) -> u8 {
    let code = match (status.code(), status.signal()) {
        (Some(code), _) => Some(code),
        (None, signal) => signal.map(|signal| i32::from(SIGNALLED) + signal),
    };
    code.and_then(|code| u8::try_from(code).ok())
        .unwrap_or(FAILED)
}
