//! `redlock job` and the jobs of `redlock top`: for people and for machines.

use std::time::Duration;

use redlock::{Redlock, job::JobHandle};
use serde_json::Value;
use tests::{Cluster, eventually};

use crate::process::{Ended, PATIENCE, start_through, three_servers};

/// The program, for which clocks are as close as for [`failing`].
async fn run(cluster: &Cluster, args: &[&str]) -> Ended {
    let wrapper = ["env", "REDLOCK_CLOCK_SKEW=100ms"];
    start_through(cluster, &wrapper, args).ended().await
}

/// A replica whose job fires once a day, and fails.
async fn failing(cluster: &Cluster) -> JobHandle {
    let builder = Redlock::builder().nodes(cluster.urls()).label("api-7");
    let builder = builder.clock_skew(Duration::from_millis(100));
    let redlock = builder.connect().await.expect("three nodes");
    let job = redlock.job("report", Duration::from_secs(86_400));
    let job = job.retry(1, Duration::ZERO);
    job.spawn(async |_, _| Err::<(), _>("out of ink"))
}

#[tokio::test]
async fn the_last_run_of_a_job_is_shown() {
    let cluster = three_servers().await;
    let replica = failing(&cluster).await;
    let shown = async || run(&cluster, &["job", "report"]).await;
    // A record is trusted once it is newer than the start of the servers.
    let has_failed = async || {
        replica.trigger();
        shown().await.stdout.contains("failed by api-7")
    };
    eventually(PATIENCE, has_failed).await;
    replica.stop().await.expect("no error");

    let text = shown().await;
    assert_eq!(text.code, Some(0), "{text:?}");
    for part in [
        "last run: failed by api-7, in 2 attempts, after ",
        "\nits error: out of ink\n",
        "\nnext firing: in ",
        "\nmissed: 0\n",
    ] {
        assert!(text.stdout.contains(part), "{part}: {text:?}");
    }
    assert!(!text.stdout.contains("last completed"), "{text:?}");
    let json = run(&cluster, &["--json", "job", "report"]).await.json();
    assert_eq!(
        (&json["job"], &json["missed"]),
        (&"report".into(), &0.into())
    );
    assert!(json["last_completed_ms"].is_null(), "{json}");
    let last = &json["last"];
    assert_eq!(
        (&last["state"], &last["attempts"], &last["label"]),
        (&"failed".into(), &2.into(), &"api-7".into())
    );
    assert!(
        json["next_ms"].as_u64() > last["ended_ms"].as_u64(),
        "{json}"
    );

    let args = ["top", "invoice:42", "--job", "report", "--job", "none"];
    let top = run(&cluster, &args).await;
    assert_eq!(top.code, Some(0), "{top:?}");
    let lines: Vec<&str> = top.stdout.lines().collect();
    assert_eq!(lines[5..7], ["invoice:42  free", ""], "{top:?}");
    assert!(lines[7].starts_with("report  failed by api-7, in 2 attempts, after "));
    assert!(lines[7].ends_with(", missed 0"), "{top:?}");
    assert_eq!(lines[8], "none    nothing is on record", "{top:?}");
    let top = run(&cluster, &["top", "--once", "--json", "--job", "report"]).await;
    assert_eq!(top.json()["jobs"][0], json);
}

#[tokio::test]
async fn a_job_without_a_record_is_exit_code_1() {
    let cluster = three_servers().await;
    let text = run(&cluster, &["job", "report"]).await;
    assert_eq!(text.code, Some(1), "{text:?}");
    // Servers that have just started may have forgotten one.
    assert!(
        text.stdout.starts_with("nothing is on record; "),
        "{text:?}"
    );
    let doubt = "may have forgotten an earlier run (known in 28 days)";
    assert!(text.stdout.contains(doubt), "{text:?}");
    let json = run(&cluster, &["job", "report", "--json"]).await;
    assert_eq!((json.code, &json.json()["last"]), (Some(1), &Value::Null));
}
