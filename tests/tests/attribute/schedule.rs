//! A schedule on five replicas: real processes with wrong clocks, real nodes.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tests::{Cluster, within};
use tokio::process::{Child, Command};

const FIRINGS: usize = 20;
/// From the start to the last end.
const BOUND: Duration = Duration::from_secs(120);
/// Five clocks, the first and the last two seconds apart.
const SKEWS_MS: [i64; 5] = [-1_000, -500, 0, 500, 1_000];

/// H8: plain tokio, a firing every 500 ms; the replica that runs one of them is killed (SIGKILL) in the middle of it.
#[tokio::test]
async fn h8_each_firing_runs_once_on_a_plain_interval() {
    let period = Duration::from_millis(500);
    h8_each_firing_runs_once(period, &["--every-ms", "500"]).await;
}

/// H8: the same with the firings of a cron pattern.
#[tokio::test]
async fn h8_each_firing_runs_once_on_a_cron_schedule() {
    let period = Duration::from_secs(1);
    h8_each_firing_runs_once(period, &["--cron", "* * * * * *"]).await;
}

async fn h8_each_firing_runs_once(period: Duration, schedule: &[&str]) {
    let cluster = Cluster::start(5).await;
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("runs");
    std::fs::write(&log, "").unwrap();

    // A whole second, far enough away for every replica to be there before its own clock says so.
    let first = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
        + 5;
    let firings: Vec<u64> = (0..FIRINGS)
        .map(|n| first * 1_000 + (period * n as u32).as_millis() as u64)
        .collect();
    let crashed = firings[FIRINGS / 2];
    let replicas: Vec<Child> = SKEWS_MS
        .iter()
        .map(|skew| {
            Command::new(env!("CARGO_BIN_EXE_scheduler"))
                .args(["--nodes", &cluster.urls().join(",")])
                .arg("--log")
                .arg(&log)
                .args(["--first", &firings[0].to_string()])
                .args(["--count", &FIRINGS.to_string()])
                .args(["--skew-ms", &skew.to_string()])
                .args(["--die-in", &crashed.to_string()])
                .args(schedule)
                .stdin(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .unwrap()
        })
        .collect();

    let mut killed = Vec::new();
    for mut replica in replicas {
        let pid = replica.id().unwrap();
        let status = within(BOUND, replica.wait()).await.unwrap();
        match status.signal() {
            Some(9) => killed.push(pid),
            _ => assert!(status.success(), "{status}"),
        }
    }

    let runs = read(&log);
    for firing in firings {
        let run = runs
            .get(&firing)
            .unwrap_or_else(|| panic!("{firing} did not run:\n{runs:#?}"));
        assert_eq!(
            run.starts.len(),
            1,
            "{firing} ran more than once:\n{runs:#?}"
        );
        assert_eq!(
            run.ends == 0,
            firing == crashed,
            "{firing} has no end:\n{runs:#?}"
        );
    }
    assert_eq!(
        killed, runs[&crashed].starts,
        "one died, in the middle of its run"
    );
    assert_eq!(runs.len(), FIRINGS);
}

#[derive(Debug, Default)]
struct Run {
    starts: Vec<u32>,
    ends: usize,
}

fn read(log: &Path) -> BTreeMap<u64, Run> {
    let mut runs: BTreeMap<u64, Run> = BTreeMap::new();
    for line in std::fs::read_to_string(log).unwrap().lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [what, firing, pid] = words[..] else {
            continue;
        };
        let run = runs.entry(firing.parse().unwrap()).or_default();
        match what {
            "start" => run.starts.push(pid.parse().unwrap()),
            _ => run.ends += 1,
        }
    }
    runs
}
