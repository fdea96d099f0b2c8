//! `ip` and `tc` from iproute2, many commands to a process.

use std::io::{self, Write as _};
use std::process::{Command, Output, Stdio};

use tokio::io::AsyncWriteExt;

/// Commands for one tool in one namespace, run in their order.
#[derive(Debug)]
pub(super) struct Batch {
    tool: &'static str,
    namespace: Option<String>,
    lines: String,
}

impl Batch {
    /// For `ip`, in that namespace or in that of this process.
    pub(super) fn ip(namespace: Option<&str>) -> Self {
        Self::of("ip", namespace)
    }

    /// For `tc`.
    pub(super) fn tc(namespace: Option<&str>) -> Self {
        Self::of("tc", namespace)
    }

    fn of(tool: &'static str, namespace: Option<&str>) -> Self {
        Self {
            tool,
            namespace: namespace.map(str::to_owned),
            lines: String::new(),
        }
    }

    pub(super) fn line(&mut self, line: &str) {
        self.lines.push_str(line);
        self.lines.push('\n');
    }

    fn command(&self) -> Command {
        let mut command = tool(self.tool);
        if let Some(namespace) = &self.namespace {
            command.args(["-n", namespace]);
        }
        command.args(["-s", "-batch", "-"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs them, and returns what they print.
    pub(super) async fn run(&self) -> io::Result<String> {
        let mut child = tokio::process::Command::from(self.command())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(self.lines.as_bytes()).await?;
        }
        self.result(&child.wait_with_output().await?)
    }

    /// As [`run`](Self::run), for the time before there is anything to wait for.
    pub(super) fn run_blocking(&self) -> io::Result<()> {
        let mut child = self.command().spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(self.lines.as_bytes())?;
        }
        self.result(&child.wait_with_output()?).map(drop)
    }

    fn result(&self, output: &Output) -> io::Result<String> {
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let place = self.namespace.as_deref().unwrap_or("its own namespace");
        Err(io::Error::other(format!(
            "{} failed in {place}: {}",
            self.tool,
            last_line(&output.stderr)
        )))
    }
}

/// A tool of the system administrator's, whose folder is not on the `PATH` of every user.
pub(super) fn tool(name: &str) -> Command {
    let mut command = Command::new(name);
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    command.env("PATH", path);
    command
}

/// The last line that is not empty. Tools report errors there.
pub(super) fn last_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut lines = text.lines().rev().map(str::trim);
    let line = lines.find(|line| !line.is_empty() && !line.starts_with("Command failed"));
    line.unwrap_or("no message").to_owned()
}
