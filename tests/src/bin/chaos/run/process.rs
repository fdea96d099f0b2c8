//! A client process, which the harness starts, stops, kills and gives orders to.
//!
//! It ends with the thread that started it, even if the harness is killed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tests::network::Host;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin};
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::args::{ClientSettings, Problem, guard_word};
use crate::timestamp::{Timestamp, now};

/// Bound on the time to connect, to run the last cycles, and to exit.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A running client process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: String,
    child: Child,
    orders: ChildStdin,
    printed: watch::Receiver<Printed>,
    errors: PathBuf,
}

/// The output of a process, with times.
#[derive(Clone, Copy, Debug, Default)]
struct Printed {
    ready: Option<Timestamp>,
    idle: Option<Timestamp>,
    closed: bool,
}

impl Process {
    /// Starts a process on that host of the network, or on the host of this process.
    pub(crate) fn spawn(settings: &ClientSettings, host: Option<&Host>) -> Result<Self, Problem> {
        let errors = settings.history.with_extension("stderr");
        let program = std::env::current_exe()?;
        let mut command = match host {
            Some(host) => host.command(program),
            None => Command::new(program),
        };
        command
            .arg("client")
            .args(["--name", &settings.name])
            .args(["--role", if settings.probe { "probe" } else { "worker" }])
            .args(["--long-holds", &settings.long_holds.to_string()])
            .args(["--nodes", &settings.nodes.join(",")])
            .args(["--direct", &settings.direct.join(",")])
            .arg("--resource")
            .arg(&settings.resource)
            .arg("--history")
            .arg(&settings.history)
            .args(["--guard", guard_word(settings.guard)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&errors)?);
        let mut child = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .spawn()?;
        let orders = child.stdin.take().ok_or("a pipe to the client")?;
        let stdout = child.stdout.take().ok_or("a pipe from the client")?;
        let (printing, printed) = watch::channel(Printed::default());
        spawn_local(async move {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                printing.send_modify(|printed| match line.as_str() {
                    "ready" => printed.ready = Some(now()),
                    "idle" => printed.idle = Some(now()),
                    _ => {}
                });
            }
            printing.send_modify(|printed| printed.closed = true);
        });
        Ok(Self {
            name: settings.name.clone(),
            child,
            orders,
            printed,
            errors,
        })
    }

    /// Waits until it is connected.
    pub(crate) fn ready(&self) -> impl Future<Output = Result<Timestamp, Problem>> + use<> {
        self.wait("connect", |printed| printed.ready)
    }

    /// Waits until it has run its last cycles.
    pub(crate) fn idle(&self) -> impl Future<Output = Result<Timestamp, Problem>> + use<> {
        self.wait("become idle", |printed| printed.idle)
    }

    fn wait(
        &self,
        what: &'static str,
        when: fn(&Printed) -> Option<Timestamp>,
    ) -> impl Future<Output = Result<Timestamp, Problem>> + use<> {
        let (mut printed, name, errors) =
            (self.printed.clone(), self.name.clone(), self.errors.clone());
        async move {
            let waited = timeout(
                TIMEOUT,
                printed.wait_for(|printed| printed.closed || when(printed).is_some()),
            )
            .await;
            let at = match &waited {
                Ok(Ok(printed)) => when(printed),
                _ => None,
            };
            at.ok_or_else(|| format!("client {name} did not {what}: {}", text(&errors)).into())
        }
    }

    pub(crate) async fn order(&mut self, order: &str) -> Result<(), Problem> {
        Ok(self
            .orders
            .write_all(format!("{order}\n").as_bytes())
            .await?)
    }

    /// Waits for it to exit after `quit`.
    pub(crate) async fn exit(mut self) -> Result<(), Problem> {
        let status: ExitStatus = timeout(TIMEOUT, self.child.wait()).await??;
        let errors = text(&self.errors);
        if status.success() && errors.is_empty() {
            return Ok(());
        }
        Err(format!("client {} exited with {status}: {errors}", self.name).into())
    }

    /// Sends SIGKILL, and waits for the exit.
    pub(crate) async fn kill(mut self) -> Result<(), Problem> {
        let errors = text(&self.errors);
        self.child.kill().await?;
        if errors.is_empty() {
            Ok(())
        } else {
            Err(format!("client {}: {errors}", self.name).into())
        }
    }

    /// Sends SIGSTOP, and returns when the process is stopped.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(5) {
            match self
                .proc("stat")
                .as_deref()
                .and_then(|stat| stat.rsplit_once(')'))
            {
                Some((_, rest)) if !rest.trim_start().starts_with(['t', 'T']) => {
                    std::thread::yield_now();
                }
                _ => return,
            }
        }
    }

    /// Sends SIGCONT.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// The resident memory in KiB, on systems with `/proc`.
    pub(crate) fn memory(&self) -> Option<u64> {
        let status = self.proc("status")?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches("kB").trim().parse().ok()
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            // The id cannot be reused before the child was waited for.
            let _ = kill_process(pid, signal);
        }
    }

    fn proc(&self, file: &str) -> Option<String> {
        let pid = self.pid()?.as_raw_nonzero();
        std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok()
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.child.id()?).ok()?)
    }
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
