//! What becomes of locks whose holders stop, crash, or have very many waiters behind them.

mod failover;
mod intents;
mod permits;
mod stopped;

use std::{process::Stdio, time::Duration};

use redlock::Redlock;
use rustix::process::{Pid, Signal, kill_process};
use tests::{Cluster, within};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// For what takes milliseconds on a machine that has nothing else to do.
const SOON: Duration = Duration::from_secs(20);

async fn client(cluster: &Cluster) -> Redlock {
    let redlock = Redlock::connect(cluster.urls()).await;
    redlock.expect("all nodes answer")
}

/// A process that is given orders and answers them, line by line. It is killed when it is dropped.
struct Process {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(program: &str, args: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let orders = child.stdin.take().expect("a pipe");
        let answers = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self {
            child,
            orders,
            answers,
        }
    }

    async fn order(&mut self, order: &str) {
        let line = format!("{order}\n");
        let written = self.orders.write_all(line.as_bytes()).await;
        written.expect("it reads its orders");
    }

    async fn answer(&mut self) -> String {
        let line = within(SOON, self.answers.next_line()).await;
        line.expect("text").expect("an answer")
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.id().expect("it runs");
        let pid = Pid::from_raw(i32::try_from(id).expect("a pid"));
        kill_process(pid.expect("a pid"), signal).expect("our own child");
    }
}
