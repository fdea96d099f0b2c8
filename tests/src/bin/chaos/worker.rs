//! A client process as the harness sees it: started, stopped, killed, told what to do. It never outlives the harness.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::args::{ClientSettings, Problem, guard_word};
use crate::stamp::{Stamp, now};

/// Time for a process to come up, to take its last turns, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running client process.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) name: String,
    child: Child,
    orders: ChildStdin,
    said: watch::Receiver<Said>,
    errors: PathBuf,
}

/// When it said what.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    ready: Option<Stamp>,
    idle: Option<Stamp>,
    closed: bool,
}

impl Worker {
    pub(crate) fn spawn(settings: &ClientSettings) -> Result<Self, Problem> {
        let errors = settings.history.with_extension("stderr");
        let mut child = Command::new(std::env::current_exe()?)
            .arg("client")
            .args(["--name", &settings.name])
            .args(["--role", if settings.probe { "probe" } else { "worker" }])
            .args(["--nodes", &settings.nodes.join(",")])
            .args(["--direct", &settings.direct.join(",")])
            .args(["--resource", &settings.resource.to_string()])
            .arg("--history")
            .arg(&settings.history)
            .args(["--guard", guard_word(settings.guard)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&errors)?)
            .kill_on_drop(true)
            .spawn()?;
        let orders = child.stdin.take().ok_or("a pipe to the client")?;
        let stdout = child.stdout.take().ok_or("a pipe from the client")?;
        let (tell, said) = watch::channel(Said::default());
        spawn_local(async move {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                tell.send_modify(|said| match line.as_str() {
                    "ready" => said.ready = Some(now()),
                    "idle" => said.idle = Some(now()),
                    _ => {}
                });
            }
            tell.send_modify(|said| said.closed = true);
        });
        Ok(Self {
            name: settings.name.clone(),
            child,
            orders,
            said,
            errors,
        })
    }

    /// Waits until it is connected.
    pub(crate) fn ready(&self) -> impl Future<Output = Result<Stamp, Problem>> + use<> {
        self.wait("connect", |said| said.ready)
    }

    /// Waits until it has taken its last turns.
    pub(crate) fn idle(&self) -> impl Future<Output = Result<Stamp, Problem>> + use<> {
        self.wait("come to rest", |said| said.idle)
    }

    fn wait(
        &self,
        what: &'static str,
        when: fn(&Said) -> Option<Stamp>,
    ) -> impl Future<Output = Result<Stamp, Problem>> + use<> {
        let (mut said, name, errors) = (self.said.clone(), self.name.clone(), self.errors.clone());
        async move {
            let waited = timeout(
                PATIENCE,
                said.wait_for(|said| said.closed || when(said).is_some()),
            )
            .await;
            let stamp = match &waited {
                Ok(Ok(said)) => when(said),
                _ => None,
            };
            stamp.ok_or_else(|| format!("client {name} did not {what}: {}", text(&errors)).into())
        }
    }

    pub(crate) async fn order(&mut self, order: &str) -> Result<(), Problem> {
        Ok(self
            .orders
            .write_all(format!("{order}\n").as_bytes())
            .await?)
    }

    /// Waits for its end, which it was told to come to.
    pub(crate) async fn end(mut self) -> Result<(), Problem> {
        let status: ExitStatus = timeout(PATIENCE, self.child.wait()).await??;
        let said = text(&self.errors);
        if status.success() && said.is_empty() {
            return Ok(());
        }
        Err(format!("client {} ended with {status}: {said}", self.name).into())
    }

    /// SIGKILL, and waits for the end.
    pub(crate) async fn kill(mut self) -> Result<(), Problem> {
        let said = text(&self.errors);
        self.child.kill().await?;
        if said.is_empty() {
            Ok(())
        } else {
            Err(format!("client {}: {said}", self.name).into())
        }
    }

    /// SIGSTOP; it is stopped when this returns.
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

    /// SIGCONT.
    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    /// The memory in use, in KiB, where the system tells it.
    pub(crate) fn memory(&self) -> Option<u64> {
        let status = self.proc("status")?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches("kB").trim().parse().ok()
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            // A child that was not waited for keeps its id.
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
