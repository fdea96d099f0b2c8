//! One replica of a service with a scheduled job, and a clock that may be wrong: a process for
//! scenario H8.
//!
//! ```text
//! scheduler --nodes URL,URL,.. --log FILE --first UNIX_MS --count N --skew-ms N
//!           (--every-ms N | --cron PATTERN)
//! ```
//!
//! With `--die-in FIRING_MS` the replica that runs that firing is killed in the middle of it
//! (SIGKILL).
//!
//! It appends `start FIRING PID` and `end FIRING PID` to the file, and ends after the last firing.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::str::FromStr as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};
use croner::Cron;
use redlock::{Redlock, redlock};
use rustix::process::{Signal, getpid, kill_process};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// The length of the job.
const BODY: Duration = Duration::from_millis(100);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::read()?;
    redlock::set_default(Redlock::connect(args.nodes.split(',')).await?)?;

    let mut jobs = JoinSet::new();
    let mut firing = args.first;
    for _ in 0..args.count {
        // A clock that is wrong still measures durations correctly.
        sleep(firing.duration_since(args.now()).unwrap_or_default()).await;
        jobs.spawn(job(firing, args.log.clone(), args.die_in == Some(firing)));
        firing = args.schedule.after(firing)?;
    }
    while let Some(job) = jobs.join_next().await {
        job?;
    }
    redlock::get_default()?.close().await;
    Ok(())
}

/// The job: each firing of it runs in one of the replicas.
#[redlock(key = "job", ttl = "10s", fire = firing, on_busy = skip)]
async fn job(firing: SystemTime, log: String, dies: bool) {
    note(&log, "start", firing);
    sleep(BODY / 2).await;
    if dies && let Err(error) = kill_process(getpid(), Signal::KILL) {
        let _ = writeln!(io::stderr(), "cannot die: {error}");
    }
    sleep(BODY / 2).await;
    note(&log, "end", firing);
}

/// Writes each line at once, so that lines of several processes do not mix.
fn note(log: &str, what: &str, firing: SystemTime) {
    let millis = firing
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis();
    let line = format!("{what} {millis} {}\n", std::process::id());
    let written = OpenOptions::new()
        .append(true)
        .open(log)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    if let Err(error) = written {
        let _ = writeln!(io::stderr(), "{log}: {error}");
    }
}

enum Schedule {
    /// Plain tokio: a fixed time after the last one.
    Every(Duration),
    /// A cron pattern, with seconds.
    Cron(Box<Cron>),
}

impl Schedule {
    /// The instant of the next firing. It follows from the schedule, never from a clock, so that
    /// all replicas mean the same one.
    fn after(&self, firing: SystemTime) -> Result<SystemTime, Box<dyn std::error::Error>> {
        match self {
            Self::Every(period) => Ok(firing + *period),
            Self::Cron(cron) => Ok(cron
                .find_next_occurrence(&DateTime::<Utc>::from(firing), false)?
                .into()),
        }
    }
}

struct Args {
    nodes: String,
    log: String,
    first: SystemTime,
    count: usize,
    skew_ms: i64,
    die_in: Option<SystemTime>,
    schedule: Schedule,
}

impl Args {
    fn read() -> Result<Self, Box<dyn std::error::Error>> {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let find = |name: &str| {
            words
                .iter()
                .position(|word| word == name)
                .and_then(|place| words.get(place + 1))
                .map(String::as_str)
        };
        let need = |name: &str| find(name).ok_or_else(|| format!("{name} is missing"));
        let schedule = match find("--cron") {
            Some(pattern) => Schedule::Cron(Box::new(Cron::from_str(pattern)?)),
            None => Schedule::Every(Duration::from_millis(need("--every-ms")?.parse()?)),
        };
        Ok(Self {
            nodes: need("--nodes")?.to_owned(),
            log: need("--log")?.to_owned(),
            first: instant(need("--first")?)?,
            count: need("--count")?.parse()?,
            skew_ms: need("--skew-ms")?.parse()?,
            die_in: find("--die-in").map(instant).transpose()?,
            schedule,
        })
    }

    /// The wall-clock time of this replica.
    fn now(&self) -> SystemTime {
        let skew = Duration::from_millis(self.skew_ms.unsigned_abs());
        if self.skew_ms < 0 {
            SystemTime::now() - skew
        } else {
            SystemTime::now() + skew
        }
    }
}

fn instant(unix_ms: &str) -> Result<SystemTime, std::num::ParseIntError> {
    Ok(UNIX_EPOCH + Duration::from_millis(unix_ms.parse()?))
}
