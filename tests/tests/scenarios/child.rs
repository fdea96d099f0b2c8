//! Another process with a client of its own: this test binary again, with one job to do.

use std::env;
use std::io::{BufRead, Write};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redlock::Redlock;
use rustix::process::{Pid, Signal, kill_process};
use tests::{Cluster, within};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::{BOUND, KEY};

const JOB: &str = "REDLOCK_TEST_JOB";
const NODES: &str = "REDLOCK_TEST_NODES";
const ARGS: &str = "REDLOCK_TEST_ARGS";
const MARK: &str = "@ ";

/// A process of its own. Dropped: killed.
pub(crate) struct Worker {
    process: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    pub(crate) fn start(job: &str, cluster: &Cluster, args: &[&str]) -> Self {
        let program = Command::new(env::current_exe().expect("this test binary"));
        Self::run(program, job, cluster, args)
    }

    /// One whose machine was started `earlier` than this one, as the clocks tell that count from there. `None` where
    /// that takes rights that the tests do not have.
    pub(crate) async fn start_elsewhere(
        earlier: Duration,
        job: &str,
        cluster: &Cluster,
        args: &[&str],
    ) -> Option<Self> {
        let mut program = Command::new("unshare");
        program.args(["--time", "--fork", "--kill-child"]);
        for clock in ["--boottime", "--monotonic"] {
            program.arg(clock).arg(earlier.as_secs().to_string());
        }
        let mut trial = Command::new("unshare");
        trial.args(program.as_std().get_args()).arg("true");
        let allowed = trial.stderr(Stdio::null()).status().await;
        if !allowed.is_ok_and(|status| status.success()) {
            return None;
        }
        program.arg(env::current_exe().expect("this test binary"));
        Some(Self::run(program, job, cluster, args))
    }

    fn run(mut program: Command, job: &str, cluster: &Cluster, args: &[&str]) -> Self {
        let mut process = program
            .args(["child::worker", "--exact", "--ignored", "--nocapture"])
            .env(JOB, job)
            .env(NODES, cluster.urls().join(" "))
            .env(ARGS, args.join(" "))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("this test binary runs");
        let stdin = process.stdin.take().expect("a pipe");
        let stdout = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        Self {
            process,
            stdin,
            stdout,
        }
    }

    /// What follows `word` in the next line that starts with it.
    pub(crate) async fn line(&mut self, word: &str) -> String {
        within(BOUND, async {
            loop {
                let line = self
                    .stdout
                    .next_line()
                    .await
                    .expect("text")
                    .unwrap_or_else(|| panic!("it ended before {word:?}"));
                let said = line
                    .split_once(MARK)
                    .and_then(|(_, said)| said.strip_prefix(word));
                if let Some(rest) = said {
                    return rest.trim().to_owned();
                }
            }
        })
        .await
    }

    pub(crate) async fn say(&mut self, line: &str) {
        self.stdin
            .write_all(format!("{line}\n").as_bytes())
            .await
            .expect("it listens");
    }

    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// As a crash.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        let pid = self
            .process
            .id()
            .and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
        kill_process(pid.expect("it has not ended"), signal).expect("a signal to it");
    }
}

/// The other side.
#[tokio::test]
#[ignore = "another process of other tests"]
async fn worker() {
    let Ok(job) = env::var(JOB) else { return };
    let nodes = env::var(NODES).expect("nodes");
    let args = env::var(ARGS).expect("arguments");
    let args: Vec<&str> = args.split_whitespace().collect();
    let orders = orders();
    if job == "count" {
        let redlock = Redlock::connect_lazy(nodes.split(' ')).expect("addresses");
        return count(&redlock, &args, orders).await;
    }
    let redlock = Redlock::connect(nodes.split(' ')).await.expect("a quorum");
    match job.as_str() {
        "hold" => hold(&redlock, &args, orders).await,
        "wait" => wait(&redlock, &args).await,
        "contend" => contend(redlock, &args, orders).await,
        other => panic!("no such job: {other}"),
    }
}

fn tell(line: &str) {
    // Not `println!`: the line must be out whatever happens next.
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{MARK}{line}")
        .and_then(|()| stdout.flush())
        .expect("the parent listens");
}

/// The lines that the parent says. When the parent is gone, so is this process.
fn orders() -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let _ = send.blocking_send(line);
        }
        std::process::abort();
    });
    receive
}

/// Holds the key for the milliseconds given, as a process that never looks at the clock.
async fn hold(redlock: &Redlock, args: &[&str], mut orders: mpsc::Receiver<String>) {
    let ttl = Duration::from_millis(args[0].parse().expect("a number"));
    let guard = redlock.lock(KEY).ttl(ttl).await.expect("free");
    tell(&format!("held {}", guard.token()));
    while let Some(order) = orders.recv().await {
        match order.as_str() {
            "look" => tell(&format!(
                "look {} {}",
                if guard.is_lost() { "lost" } else { "held" },
                guard.remaining().as_nanos()
            )),
            "release" => {
                guard.release().await.expect("released");
                tell("released");
                return;
            }
            other => panic!("no such order: {other}"),
        }
    }
}

async fn wait(redlock: &Redlock, args: &[&str]) {
    let ttl = Duration::from_millis(args[0].parse().expect("a number"));
    let waiting = redlock.lock(KEY).ttl(ttl).wait(BOUND);
    tell("waiting");
    let _guard = waiting.await.expect("a turn");
    tell("held");
    sleep(BOUND).await;
}

/// So many tasks, one turn each of so many milliseconds; told afterwards, so that telling takes no time of a turn.
async fn contend(redlock: Redlock, args: &[&str], mut orders: mpsc::Receiver<String>) {
    let tasks: usize = args[0].parse().expect("a number");
    let body = Duration::from_millis(args[1].parse().expect("a number"));
    tell("ready");
    orders.recv().await;
    let order = Arc::new(AtomicUsize::new(0));
    let mut turns = JoinSet::new();
    for _ in 0..tasks {
        let (redlock, order) = (redlock.clone(), Arc::clone(&order));
        turns.spawn(async move {
            // One thread: nobody comes between the number and the place in the queue.
            let number = order.fetch_add(1, Ordering::SeqCst);
            let asked = now();
            let guard = redlock.lock(KEY).wait(BOUND).await.expect("a turn");
            let start = now();
            sleep(body).await;
            let end = now();
            let token = guard.token();
            guard.release().await.expect("released");
            format!("turn {number} {asked} {start} {end} {token}")
        });
    }
    for turn in turns.join_all().await {
        tell(&turn);
    }
    tell("done");
    orders.recv().await;
}

/// Takes so many locks of its own and as many of those that all share, one after the other, beginning with the shared
/// one of this number; tells how many took one round.
async fn count(redlock: &Redlock, args: &[&str], mut orders: mpsc::Receiver<String>) {
    const SHARED: usize = 50;
    let number = |arg: usize| args[arg].parse::<usize>().expect("a number");
    let (each, first) = (number(0), number(1));
    tell("ready");
    orders.recv().await;
    let (mut own, mut shared, mut taken, mut busy) = (0, 0, 0, 0);
    for turn in 0..each {
        let guard = redlock.lock(format!("own:{first}:{turn}")).await;
        let guard = guard.expect("nobody else's");
        own += usize::from(guard.rounds() == 1);
        guard.release().await.expect("released");

        let key = format!("shared:{}", (first + turn) % SHARED);
        match redlock.try_lock(key).await.expect("an answer") {
            Some(guard) => {
                taken += 1;
                shared += usize::from(guard.rounds() == 1);
                guard.release().await.expect("released");
            }
            None => busy += 1,
        }
    }
    tell(&format!("counted {own} {each} {shared} {taken} {busy}"));
    orders.recv().await;
}

/// Nanoseconds, comparable between the processes of one machine.
fn now() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_nanos()
}
