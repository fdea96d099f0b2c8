//! A client in its own process, for the scenarios: receives and reports one job per line.

use std::io::{BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redlock::Redlock;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Longer than anything here takes.
const BOUND: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let [job, nodes, key, args @ ..] = args.as_slice() else {
        panic!("usage: worker JOB NODES KEY [ARGUMENTS]");
    };
    let orders = orders();
    if *job == "count" {
        let redlock = Redlock::connect_lazy(nodes.split(',')).expect("addresses");
        return count(&redlock, args, orders).await;
    }
    let redlock = Redlock::connect(nodes.split(',')).await.expect("a quorum");
    match *job {
        "hold" => hold(&redlock, key, args, orders).await,
        "wait" => wait(&redlock, key, args).await,
        "lead" => lead(&redlock, key, args, orders).await,
        "contend" => contend(redlock, key, args, orders).await,
        other => panic!("no such job: {other}"),
    }
}

fn tell(line: &str) {
    // Not `println!`: the line must be written before the process may be killed.
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .expect("the parent listens");
}

/// The lines from the parent. The process exits when the parent has exited.
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

/// Holds the key for this many milliseconds, like a process that never checks its lock.
async fn hold(redlock: &Redlock, key: &str, args: &[&str], mut orders: mpsc::Receiver<String>) {
    let ttl = Duration::from_millis(args[0].parse().expect("a number"));
    let guard = redlock.lock(key).ttl(ttl).await.expect("free");
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

async fn wait(redlock: &Redlock, key: &str, args: &[&str]) {
    let ttl = Duration::from_millis(args[0].parse().expect("a number"));
    let waiting = redlock.lock(key).ttl(ttl).wait(BOUND);
    tell("waiting");
    let _guard = waiting.await.expect("a turn");
    tell("held");
    sleep(BOUND).await;
}

/// Leads until it is killed.
async fn lead(redlock: &Redlock, key: &str, args: &[&str], mut orders: mpsc::Receiver<String>) {
    let ttl = Duration::from_millis(args[0].parse().expect("a number"));
    let election = redlock.election(key).ttl(ttl);
    let term = election.campaign().await.expect("nobody else leads");
    tell(&format!("leads {}", term.token()));
    orders.recv().await;
}

/// So many tasks, one turn each of so many milliseconds; told afterwards, so that telling takes no
/// time of a turn.
async fn contend(redlock: Redlock, key: &str, args: &[&str], mut orders: mpsc::Receiver<String>) {
    let tasks: usize = args[0].parse().expect("a number");
    let body = Duration::from_millis(args[1].parse().expect("a number"));
    tell("ready");
    orders.recv().await;
    let order = Arc::new(AtomicUsize::new(0));
    let mut turns = JoinSet::new();
    for _ in 0..tasks {
        let (redlock, key, order) = (redlock.clone(), key.to_owned(), Arc::clone(&order));
        turns.spawn(async move {
            // One thread: nobody comes between the number and the place in the queue.
            let number = order.fetch_add(1, Ordering::SeqCst);
            let asked = now();
            let guard = redlock.lock(key).wait(BOUND).await.expect("a turn");
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

/// Takes so many locks of its own and as many of those that all share, one after the other,
/// beginning with the shared one of this number; tells how many took one round.
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
