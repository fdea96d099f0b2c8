//! The metrics of jobs, compared with the table in the docs.

#[path = "../operations/recorder.rs"]
mod recorder;

use std::{path::Path, time::SystemTime};

use redlock::job::{Firing, OnCrash, Overlap};

use self::recorder::Recording;
use super::{EVERY, Ran, client, deploy, job, run_for, seconds};

async fn failing(firing: Firing) -> Result<(), String> {
    Err(format!("at {:?}", firing.at()))
}

/// Runs that complete, fail, are cancelled, lose the lock and crash, and firings that are missed or skipped.
async fn day() -> SystemTime {
    let (nodes, redlock, job) = job().await;
    deploy(&job).await;
    tokio::time::sleep(seconds(35)).await;
    let slow = job.clone().spawn(|_, _| tokio::time::sleep(seconds(25)));
    tokio::time::sleep(seconds(1)).await;
    slow.stop().await.expect("no error");

    let ran = Ran::default();
    run_for(&job, seconds(31), &ran).await;
    let completed = ran.all().last().map(Firing::at).expect("it ran");
    let failed = job.clone().spawn(|firing, _| failing(firing));
    tokio::time::sleep(seconds(11)).await;
    failed.stop().await.expect("no error");

    let long = client(&nodes)
        .await
        .job("long", EVERY)
        .overlap(Overlap::Cancel);
    let long = long.on_crash(OnCrash::Skip);
    let cancelled = long.clone().spawn(|_, _| std::future::pending::<()>());
    tokio::time::sleep(seconds(31)).await;
    redlock
        .force_release("job:long")
        .await
        .expect("three nodes");
    // The next holder finds a firing without an end.
    tokio::time::sleep(seconds(5)).await;
    drop(cancelled);
    completed
}

#[tokio::test(start_paused = true)]
async fn runs_are_counted_as_the_docs_say() {
    let recording = Recording::default();
    let _listening = metrics::set_default_local_recorder(&recording);
    let completed = day().await;

    let count =
        |state: &str| recording.sum("redlock_job_runs_total", &format!("state=\"{state}\""));
    for state in ["completed", "failed", "cancelled", "lost", "crashed"] {
        assert!(count(state) >= 1.0, "{state}: {:?}", recording.series());
    }
    let firings = |name: &str| recording.sum(name, "job=\"report\"");
    let (missed, skipped) = (
        firings("redlock_job_missed_total"),
        firings("redlock_job_skipped_total"),
    );
    assert!((2.0..=3.0).contains(&missed), "{missed}");
    assert!((2.0..=3.0).contains(&skipped), "{skipped}");
    let since = completed
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("later");
    assert_eq!(
        recording.of("redlock_job_completed_seconds", "job=\"report\""),
        [since.as_secs_f64()]
    );
    let ended = count("completed") + count("failed") + count("cancelled");
    assert_eq!(
        recording.of("redlock_job_run_seconds", "").len() as f64,
        ended
    );
    let delays = recording.of("redlock_job_delay_seconds", "");
    assert!(delays.len() as f64 >= ended, "{delays:?}");
    assert!(
        delays.iter().all(|delay| (0.0..10.0).contains(delay)),
        "{delays:?}"
    );

    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../redlock/docs/metrics.md");
    let document = std::fs::read_to_string(document).expect("docs/metrics.md");
    for series in recording.series() {
        let (name, labels) = series.split_once('{').expect("labels");
        let row = document
            .lines()
            .find(|row| row.starts_with(&format!("| `{name}` ")));
        let row = row.unwrap_or_else(|| panic!("{series} is not in docs/metrics.md"));
        for state in labels.split("state=\"").skip(1) {
            let state = state.split('"').next().unwrap_or_default();
            assert!(row.contains(&format!("`{state}`")), "{series}: {row}");
        }
    }
    let described = recording.described();
    let rows = document
        .lines()
        .filter_map(|row| row.strip_prefix("| `redlock_job_"));
    for row in rows {
        let name = row.split('`').next().unwrap_or_default();
        assert!(
            described.contains(&format!("redlock_job_{name}")),
            "{name}: {described:?}"
        );
    }
}
