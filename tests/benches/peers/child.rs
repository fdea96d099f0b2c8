//! Child processes of the benchmark: itself with a role, or another program; told and heard by lines.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::{nodes::Stage, outcome::Outcome};

/// A child's answer takes at most this long.
const PATIENCE: Duration = Duration::from_secs(180);

/// A running child. Dropped: killed.
pub(crate) struct Child {
    says: Lines<BufReader<ChildStdout>>,
    hears: ChildStdin,
    _process: tokio::process::Child,
}

impl Child {
    pub(crate) fn start(stage: &Stage, role: &str, settings: &[(&str, String)]) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--role", role, "--set", "urls", &stage.urls.join(",")]);
        if let Some(workers) = stage.workers {
            command.args(["--workers", &workers.to_string()]);
        }
        for (name, value) in settings {
            command.args(["--set", name, value]);
        }
        Self::run(command)
    }

    /// Another program, which is told and heard in the same way.
    pub(crate) fn run(mut command: Command) -> Outcome<Self> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let hears = process.stdin.take().ok_or("a child without an input")?;
        let says = process.stdout.take().ok_or("a child without an output")?;
        Ok(Self {
            says: BufReader::new(says).lines(),
            hears,
            _process: process,
        })
    }

    pub(crate) async fn tell(&mut self, line: &str) -> Outcome<()> {
        self.hears.write_all(format!("{line}\n").as_bytes()).await?;
        Ok(self.hears.flush().await?)
    }

    /// What follows `word` in the next line.
    pub(crate) async fn hear(&mut self, word: &str) -> Outcome<String> {
        let line = timeout(PATIENCE, self.says.next_line())
            .await
            .map_err(|_| format!("a child did not say `{word}` in time"))??
            .ok_or_else(|| format!("a child ended before it said `{word}`"))?;
        match line.strip_prefix(word) {
            Some(rest) => Ok(rest.trim().to_owned()),
            None => Err(format!("a child said `{line}` instead of `{word}`").into()),
        }
    }
}
