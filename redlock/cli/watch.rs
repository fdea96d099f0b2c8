//! The watcher: a process that kills the command when this program can no longer do so.
//!
//! If this program is killed, or stopped for longer than its lock is valid, the command would continue without a lock. So a
//! second process of this program, the watcher, reads from a pipe until when the lock is valid. If the pipe closes, or if that
//! time comes without a new report, it kills its own process group. The command starts in that group, so it is watched from
//! the first moment. The signals that are meant for the command do not end the watcher.
//! When the command has ended, this program kills the watcher.

use std::{
    env, io,
    path::PathBuf,
    process::{ExitCode, Stdio},
    time::Duration,
};

use rustix::{
    process::{Pid, Signal, kill_current_process_group},
    time::{ClockId, clock_gettime},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, Command},
    time::timeout,
};

use crate::{
    failure::{FAILED, Failure},
    output::millis,
    signals::Signals,
};

/// The command with which this program starts itself as a watcher.
pub(crate) const NAME: &str = "__watch";

/// What the watcher writes when it is ready.
const READY: &[u8] = b"\n";

/// How long a report waits for a full pipe. After a report that was left out, the watcher knows an earlier end of the validity.
const WRITE: Duration = Duration::from_millis(50);

/// Maximum time between two checks of the clock: timers stop while the machine is suspended, but the validity does not.
const CHECK: Duration = Duration::from_secs(1);

/// The program's side of the watcher.
#[derive(Debug)]
pub(crate) struct Watcher {
    process: Child,
    /// `None` once the command has ended.
    pipe: Option<ChildStdin>,
}

impl Watcher {
    /// Starts the watcher, and waits until no signal to its group ends it.
    pub(crate) async fn start() -> Result<Self, Failure> {
        let failed = |error| Failure::new(FAILED, format!("no watcher can be started: {error}"));
        let mut process = Command::new(this_program().map_err(failed)?)
            .arg0("redlock")
            .arg(NAME)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let pipe = process.stdin.take();
        if let Some(mut output) = process.stdout.take() {
            output.read_u8().await.map_err(failed)?;
        }
        Ok(Self { process, pipe })
    }

    /// The process group of the watcher, which the command is to join. `None` once the watcher was waited for.
    pub(crate) fn group(&self) -> Option<Pid> {
        let id = self.process.id().and_then(|id| i32::try_from(id).ok());
        id.and_then(Pid::from_raw)
    }

    /// Reports that the lock is valid for this long from now.
    pub(crate) async fn is_valid_for(&mut self, time: Duration) {
        self.write(format!("{}\n", end_of(time))).await;
    }

    /// Ends the watcher, because the command has ended. From now on, another process may have its process id.
    pub(crate) async fn dismiss(&mut self) {
        // Killed before its pipe closes, even if it was stopped. It may have been killed already.
        let _ = self.process.start_kill();
        let _ = self.process.wait().await;
        self.pipe = None;
    }

    async fn write(&mut self, line: String) {
        if let Some(pipe) = &mut self.pipe {
            // If the watcher was killed, the command continues without it; if it was stopped, its pipe may be full. A pipe takes
            // a short line whole or not at all.
            let _ = timeout(WRITE, pipe.write_all(line.as_bytes())).await;
        }
    }
}

/// The file of this program. It may have been replaced since the start, as by an upgrade; Linux still finds it.
fn this_program() -> io::Result<PathBuf> {
    match cfg!(target_os = "linux") {
        true => Ok(PathBuf::from("/proc/self/exe")),
        false => env::current_exe(),
    }
}

/// When `time` from now is, in milliseconds of [`now`], which all processes of the machine share.
fn end_of(time: Duration) -> u64 {
    millis(now().saturating_add(time))
}

/// The clock of the validity, which also counts the time for which the machine was suspended, if the system has such a clock.
fn now() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: ClockId = ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const CLOCK: ClockId = ClockId::Monotonic;
    let now = clock_gettime(CLOCK);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

/// Runs the watcher process.
pub(crate) async fn watch() -> Result<ExitCode, Failure> {
    // While these exist, the signals have no effect.
    let _signals = Signals::new()?;
    let mut output = tokio::io::stdout();
    // An error means that the program has ended, which closes the other pipe as well.
    let _ = output.write_all(READY).await;
    let _ = output.flush().await;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut valid_until = None;
    loop {
        let left = valid_until.map_or(CHECK, |end: Duration| end.saturating_sub(now()));
        match timeout(left.min(CHECK), lines.next_line()).await {
            Ok(Ok(Some(line))) => {
                valid_until = line.parse().map(Duration::from_millis).ok().or(valid_until);
            }
            Ok(Ok(None) | Err(_)) => break,
            Err(_) if valid_until.is_some_and(|end| now() >= end) => break,
            Err(_) => {}
        }
    }
    // This process is one of them.
    let _ = kill_current_process_group(Signal::KILL);
    Ok(ExitCode::SUCCESS)
}
