//! A program as a process: what it says, how it is interrupted, how it ends. It never outlives its test.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tests::within;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;

use crate::built;

/// Time for a line to come, and for a program to end.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Program {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: JoinHandle<String>,
    said: Vec<String>,
}

/// How a program ended, and all that it said.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Program {
    /// Starts one of the examples with nothing of ours in its environment but `env`.
    pub(crate) fn start(name: &str, args: &[&str], env: &[(&str, &str)]) -> Program {
        let mut command = Command::new(built::program(name));
        command
            .args(args)
            .env_remove("REDIS_URLS")
            .env_remove("DATABASE_URL")
            .env_remove("PORT")
            .env_remove("RUST_LOG");
        Program::spawn(command.envs(env.iter().copied()))
    }

    /// Starts any program.
    pub(crate) fn spawn(command: &mut Command) -> Program {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let stdout = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut pipe = child.stderr.take().expect("its errors");
        let stderr = tokio::spawn(async move {
            let mut text = Vec::new();
            let _ = pipe.read_to_end(&mut text).await;
            String::from_utf8_lossy(&text).into_owned()
        });
        Program {
            child,
            stdout,
            stderr,
            said: Vec::new(),
        }
    }

    /// The next line that has `part` in it.
    pub(crate) async fn line(&mut self, part: &str) -> String {
        match self.find_line(part).await {
            Some(line) => line,
            None => panic!("it ended and never said `{part}`, but {:#?}", self.said),
        }
    }

    /// The next line that has `part` in it. `None` if the program ends before it.
    pub(crate) async fn find_line(&mut self, part: &str) -> Option<String> {
        let found = tokio::time::timeout(PATIENCE, async {
            while let Some(line) = self.stdout.next_line().await.expect("lines of text") {
                self.said.push(line.clone());
                if line.contains(part) {
                    return Some(line);
                }
            }
            None
        });
        match found.await {
            Ok(found) => found,
            Err(_) => panic!(
                "it did not say `{part}` in {PATIENCE:?}, but {:#?}",
                self.said
            ),
        }
    }

    /// What Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        let id = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        kill_process(id.expect("it runs"), Signal::INT).expect("a signal to our own child");
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(mut self) -> Ended {
        let rest = async {
            while let Some(line) = self.stdout.next_line().await.expect("lines of text") {
                self.said.push(line);
            }
            self.child.wait().await.expect("its status")
        };
        let status = within(PATIENCE, rest).await;
        let stderr = within(PATIENCE, self.stderr).await.expect("its errors");
        Ended {
            code: status.code(),
            stdout: self.said.join("\n"),
            stderr,
        }
    }
}
