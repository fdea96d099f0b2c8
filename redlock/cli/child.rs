//! The command that runs under the lock: a process group of its own, its signals and its end.

use std::{
    ffi::OsString,
    future::poll_fn,
    io::{self, IsTerminal as _},
    os::unix::process::ExitStatusExt as _,
    process::{ExitStatus, Stdio},
    task::Poll,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    process::{self, Command},
    signal::unix::{self, SignalKind},
};

use crate::{
    failure::{CANNOT_START, FAILED, Failure, NOT_FOUND, SIGNALLED},
    watch::Watcher,
};

/// The signals that are forwarded.
const FORWARDED: [Signal; 6] = [
    Signal::TERM,
    Signal::INT,
    Signal::HUP,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
];

#[derive(Debug)]
pub(crate) struct Child {
    process: process::Child,
    group: Pid,
    watcher: Watcher,
}

impl Child {
    /// Starts the command, with a variable of its environment. `valid_for`: how long the lock may be relied on.
    pub(crate) async fn start(
        command: &[OsString],
        (variable, token): (&str, &str),
        valid_for: Duration,
    ) -> Result<Self, Failure> {
        let Some((program, args)) = command.split_first() else {
            return Err(Failure::new(NOT_FOUND, "there is no command to run"));
        };
        // Start the watcher first, so that the command is unwatched only until its process id is written.
        let mut watcher = Watcher::start()?;
        let mut command = Command::new(program);
        command.args(args).env(variable, token).process_group(0);
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
        let id = process.id().and_then(|id| i32::try_from(id).ok());
        let Some(group) = id.and_then(Pid::from_raw) else {
            return Err(Failure::new(FAILED, "the command has no process id"));
        };
        watcher.watch(group, valid_for).await;
        Ok(Self {
            process,
            group,
            watcher,
        })
    }

    /// Resolves when the command has ended. Processes that it left behind continue.
    pub(crate) async fn ended(&mut self) -> Result<ExitStatus, Failure> {
        let status = self.process.wait().await.map_err(|error| unknown(&error))?;
        self.watcher.done().await;
        Ok(status)
    }

    /// Reports that the lock is valid for this long from now.
    pub(crate) async fn is_valid_for(&mut self, time: Duration) {
        self.watcher.is_valid_for(time).await;
    }

    /// Sends a signal to the command and all processes of its group. It may have ended.
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

/// The signals to this program that are meant for the command.
#[derive(Debug)]
pub(crate) struct Signals(Vec<(Signal, unix::Signal)>);

impl Signals {
    pub(crate) fn new() -> Result<Self, Failure> {
        let listen = |signal: Signal| {
            let stream = unix::signal(SignalKind::from_raw(signal.as_raw()))?;
            Ok((signal, stream))
        };
        let signals: io::Result<Vec<_>> = FORWARDED.into_iter().map(listen).collect();
        signals
            .map(Self)
            .map_err(|error| Failure::new(FAILED, format!("signals cannot be forwarded: {error}")))
    }

    /// The next signal. Cancel safe.
    pub(crate) async fn next(&mut self) -> Signal {
        poll_fn(|cx| {
            for (signal, stream) in &mut self.0 {
                if let Poll::Ready(Some(())) = stream.poll_recv(cx) {
                    return Poll::Ready(*signal);
                }
            }
            Poll::Pending
        })
        .await
    }
}
