//! One replica of a service with a job that fires each second, for the tests of firings. Its clock is wrong, and it may be
//! killed or stopped at any time.
//!
//! ```text
//! replica NODES LOG NAME SHIFT_MS job ON_CRASH MISSED
//! replica NODES LOG NAME SHIFT_MS lock|nothing
//! ```
//!
//! With `lock` a firing is what each replica's clock says, and runs under a lock without a record. With `nothing` it just runs.
//!
//! It appends what happens to the file, see [`Log`].

mod clock;
mod log;

use std::{
    io::Read,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use redlock::{
    Redlock,
    job::{Missed, OnCrash, Overlap, Schedule},
};
use tokio::time::sleep;

use self::log::{Log, Run};

const PERIOD: Duration = Duration::from_secs(1);
/// Short, since a firing of a replica that is killed runs again after it.
const TTL: Duration = Duration::from_secs(1);
/// More than the clocks of the replicas differ.
const SKEW: Duration = Duration::from_millis(2500);
/// Longer than all replicas are down.
const CATCH_UP: Duration = Duration::from_secs(60);
/// The longest time without an await that marks the log.
const TICK: Duration = Duration::from_millis(10);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let [nodes, log, name, shift, kind, options @ ..] = &args[..] else {
        panic!("usage: replica NODES LOG NAME SHIFT_MS KIND [ON_CRASH MISSED]");
    };
    end_with_the_parent();
    let shift: i64 = shift.parse().expect("milliseconds");
    let log = Log::open(log, name);
    if let [_, _] = options {
        log.record_completions();
    }
    let redlock = connect(nodes, shift).await;
    match (*kind, options) {
        ("job", [on_crash, missed]) => job(&redlock, log, on_crash, missed).await,
        ("lock", []) => by_the_clock(Some(&redlock), &log, shift).await,
        ("nothing", []) => by_the_clock(None, &log, shift).await,
        other => panic!("no such kind: {other:?}"),
    }
}

/// The parent keeps standard input open.
fn end_with_the_parent() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::abort();
    });
}

/// A client whose time is wrong by `shift` milliseconds.
async fn connect(nodes: &str, shift: i64) -> Redlock {
    let mut urls = Vec::new();
    for node in nodes.split(',') {
        urls.push(clock::shifted(node, shift).await);
    }
    let builder = Redlock::builder().nodes(urls).clock_skew(SKEW);
    builder.connect().await.expect("a quorum")
}

async fn job(redlock: &Redlock, log: Log, on_crash: &str, missed: &str) {
    let on_crash = match on_crash {
        "skip" => OnCrash::Skip,
        "rerun" => OnCrash::Rerun,
        other => panic!("no such choice: {other}"),
    };
    let missed = match missed {
        "all" => Missed::All,
        "once" => Missed::Once,
        other => panic!("no such choice: {other}"),
    };
    let job = redlock.job("firings", PERIOD).ttl(TTL).catch_up(CATCH_UP);
    let job = job.on_crash(on_crash).missed(missed);
    let ended = job.overlap(Overlap::Queue).run(async |firing, held| {
        let (at, again) = (firing.at(), firing.is_rerun());
        body(log.run(at, held.token().get(), again)).await;
    });
    panic!("a job that fires for ever has ended: {:?}", ended.await);
}

/// Each firing as a plain timer has it.
async fn by_the_clock(redlock: Option<&Redlock>, log: &Log, shift: i64) {
    let mut last = SystemTime::UNIX_EPOCH;
    loop {
        let now = clock::wrong_by(shift);
        let firing = PERIOD.next(now.max(last)).expect("another second");
        sleep(firing.duration_since(now).unwrap_or_default()).await;
        last = firing;
        let Some(redlock) = redlock else {
            body(log.run(firing, 0, false)).await;
            continue;
        };
        if let Ok(guard) = redlock.lock("firings").ttl(TTL).no_wait().await {
            let run = log.run(firing, guard.token().get(), false);
            // An error means that the lock was lost, or that its release is late.
            let _ = guard.run(body(run)).await;
        }
    }
}

/// The work of a firing: longer for some of them.
async fn body(run: Run<'_>) {
    run.mark("begin");
    let seconds = run.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    for _ in 0..5 + seconds.as_secs() % 4 * 8 {
        sleep(TICK).await;
        run.mark("tick");
    }
    run.mark("end");
}
