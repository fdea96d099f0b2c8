//! `redlock holder`, `wait`, `release` and `health`, completions and the man page.

use std::{process::Stdio, time::Duration};

use redlock::Redlock;
use tests::{Cluster, eventually};

use crate::process::{PATIENCE, run, start, start_through, start_with, three_servers};

const KEY: &str = "invoice:42";

async fn holder(cluster: &Cluster) -> redlock::Guard {
    let redlock = Redlock::builder().nodes(cluster.urls()).label("api-7");
    let redlock = redlock.connect().await.expect("three nodes");
    redlock.lock(KEY).await.expect("free")
}

#[tokio::test]
async fn the_holder_is_shown_to_people_and_to_machines() {
    let cluster = three_servers().await;
    let free = run(&cluster, &["holder", KEY]).await;
    assert_eq!(
        (free.code, &*free.stdout),
        (Some(1), "nobody holds it"),
        "{free:?}"
    );
    let guard = holder(&cluster).await;
    let held = run(&cluster, &["holder", KEY]).await;
    assert_eq!(held.code, Some(0), "{held:?}");
    assert!(
        held.stdout.starts_with("held by api-7 for another "),
        "{held:?}"
    );
    assert!(
        held.stdout.contains(guard.owner()) && !held.stdout.contains('\x1b'),
        "{held:?}"
    );
    let colored = run(&cluster, &["holder", KEY, "--color", "always"]).await;
    assert!(
        colored.stdout.contains("\x1b[33mapi-7\x1b[0m"),
        "{colored:?}"
    );
    let json = run(&cluster, &["--json", "holder", KEY]).await.json();
    assert_eq!(json["label"], "api-7");
    assert_eq!(json["held"], true);
    assert_eq!(json["token"], guard.token().get());
    assert!(json["remaining_ms"].as_u64().expect("a number") <= 10_000);
}

/// A script would take an empty file for the answer.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_result_that_cannot_be_written_is_a_failure() {
    let cluster = three_servers().await;
    let full = ["sh", "-c", "exec \"$@\" > /dev/full", "sh"];
    for args in [&["health"][..], &["holder", KEY, "--json"], &["wait", KEY]] {
        let ended = start_through(&cluster, &full, args).ended().await;
        assert_eq!(ended.code, Some(70), "{ended:?}");
        assert!(ended.stderr.contains("cannot be written"), "{ended:?}");
    }
}

/// A user that may only read the keys of the exclusive lock cannot tell whether somebody reads or has a permit.
#[tokio::test]
async fn what_is_unknown_is_not_free() {
    let cluster = three_servers().await;
    for node in cluster.nodes() {
        let mut limit = redis::cmd("ACL");
        limit.arg(&["SETUSER", "default", "resetkeys", "~{redlock}*"][..]);
        limit.arg(&[format!("~{KEY}"), format!("~{{{KEY}}}{{}}:fence")]);
        limit.arg(format!("~{{{KEY}}}{{}}:waiters"));
        let () = node.ask(&limit).await;
    }
    let unknown = run(&cluster, &["holder", KEY]).await;
    assert_eq!(unknown.code, Some(69), "{unknown:?}");
    assert!(!unknown.stdout.contains("nobody"), "{unknown:?}");
    for what in ["readers and writers: unknown: ", "permits: unknown: "] {
        assert!(unknown.stdout.contains(what), "{unknown:?}");
    }
    let json = run(&cluster, &["--json", "holder", KEY]).await;
    assert_eq!(json.code, Some(69), "{json:?}");
    assert_eq!(json.json()["held"], false, "{json:?}");
    assert!(json.json()["readers"].is_null(), "{json:?}");
}

#[tokio::test]
async fn wait_ends_when_the_lock_is_free_and_does_not_acquire_it() {
    let cluster = three_servers().await;
    let guard = holder(&cluster).await;
    let late = run(&cluster, &["wait", KEY, "--timeout", "100ms"]).await;
    assert_eq!(late.code, Some(75), "{late:?}");
    assert!(
        late.stderr.contains("is still held by api-7 after"),
        "{late:?}"
    );
    let waiting = start(&cluster, &["wait", KEY]);
    guard.release().await.expect("three nodes");
    assert_eq!(waiting.ended().await.code, Some(0));
    assert!(cluster.locked_on(KEY).await.is_empty());
}

#[tokio::test]
async fn a_cool_down_is_called_one_by_who_waits_for_its_end() {
    let cluster = three_servers().await;
    let guard = holder(&cluster).await;
    let window = Duration::from_secs(60);
    guard.cool_down(window).await.expect("three nodes");
    let late = run(&cluster, &["wait", KEY, "--timeout", "100ms"]).await;
    assert_eq!(late.code, Some(75), "{late:?}");
    assert!(
        late.stderr.contains("is still in a cool-down after"),
        "{late:?}"
    );
}

#[tokio::test]
async fn waiting_outlasts_an_outage() {
    let cluster = three_servers().await;
    let guard = holder(&cluster).await;
    let waiting = start(&cluster, &["wait", KEY]);
    // Nothing else reads the waitlist until the release.
    let looked = async || {
        for node in cluster.nodes() {
            let stats: String = node.ask(redis::cmd("INFO").arg("commandstats")).await;
            if !stats.contains("cmdstat_zrange:") {
                return false;
            }
        }
        true
    };
    eventually(PATIENCE, looked).await;
    cluster.node(0).pause();
    cluster.node(1).pause();
    // Polls several times without a quorum.
    tokio::time::sleep(Duration::from_secs(2)).await;
    cluster.node(0).resume();
    cluster.node(1).resume();
    guard.release().await.expect("three nodes");
    let ended = waiting.ended().await;
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
}

#[tokio::test]
async fn a_lock_is_force_released_only_with_the_flag() {
    let cluster = three_servers().await;
    let guard = holder(&cluster).await;
    let unforced = run(&cluster, &["release", KEY]).await;
    assert_eq!(unforced.code, Some(2), "{unforced:?}");
    assert!(unforced.stderr.contains("--force"), "{unforced:?}");
    let unasked = run(&cluster, &["release", "--force", KEY]).await;
    assert_eq!(unasked.code, Some(2), "{unasked:?}");
    assert!(unasked.stderr.contains("give --yes"), "{unasked:?}");
    assert!(!guard.is_lost());
    let taken = run(&cluster, &["release", "--force", "--yes", "--json", KEY]).await;
    assert_eq!(
        (taken.code, taken.json()["from"].as_str()),
        (Some(0), Some("api-7")),
        "{taken:?}"
    );
    guard.extend().await.expect_err("taken");
    let again = run(&cluster, &["release", "--force", "--yes", KEY]).await;
    assert_eq!(
        (again.code, &*again.stdout),
        (Some(1), "nobody holds it"),
        "{again:?}"
    );
}

#[tokio::test]
async fn each_kind_of_lock_is_force_released_for_itself() {
    let cluster = three_servers().await;
    let redlock = Redlock::builder().nodes(cluster.urls()).label("api-7");
    let redlock = redlock.connect().await.expect("three nodes");
    let (shared, sole) = (redlock.rwlock(KEY), redlock.rwlock("invoice:43"));
    let guards = [
        redlock.lock(KEY).await.expect("free"),
        shared.read().await.expect("free"),
        redlock.semaphore(KEY, 3).acquire().await.expect("free"),
        sole.write().await.expect("free"),
    ];
    let shown = run(&cluster, &["holder", KEY]).await;
    assert!(shown.stdout.contains("reader: held by api-7"), "{shown:?}");
    for (taken, (kind, key)) in [
        ("lock", KEY),
        ("readers", KEY),
        ("permits", KEY),
        ("writer", "invoice:43"),
    ]
    .into_iter()
    .enumerate()
    {
        let command = ["release", "--force", "--yes", "--json", "--kind", kind, key];
        let ended = run(&cluster, &command).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let from = &ended.json()["from"];
        assert_eq!(
            from.as_str().or(from[0].as_str()),
            Some("api-7"),
            "{ended:?}"
        );
        guards[taken].extend().await.expect_err("taken");
        let others = &guards[taken + 1..];
        assert!(others.iter().all(|guard| !guard.is_lost()), "after {kind}");
        let again = run(&cluster, &command).await;
        assert_eq!(again.code, Some(1), "{again:?}");
    }
}

#[tokio::test]
async fn health_is_for_probes() {
    let cluster = three_servers().await;
    let well = run(&cluster, &["health", "--all"]).await;
    assert_eq!(well.code, Some(0), "{well:?}");
    assert!(
        well.stdout.ends_with("3 of 3 nodes vote, 2 are needed"),
        "{well:?}"
    );
    cluster.node(0).kill();
    assert_eq!(run(&cluster, &["health"]).await.code, Some(0));
    assert_eq!(run(&cluster, &["health", "--all"]).await.code, Some(69));
    cluster.node(1).kill();
    let ill = run(&cluster, &["health", "--json"]).await;
    assert_eq!(ill.code, Some(69), "{ill:?}");
    let json = ill.json();
    assert_eq!(
        (&json["healthy"], &json["voting"], &json["quorum"]),
        (&false.into(), &1.into(), &2.into())
    );
    assert_eq!(json["nodes"][0]["state"], "down");
    assert_eq!(json["nodes"][2]["state"], "up");
    let shown = run(&cluster, &["health"]).await;
    assert!(shown.stdout.contains("has no vote: "), "{shown:?}");
    // The nodes of the command line come before those of the environment.
    let given = cluster.node(2).url();
    assert_eq!(
        run(&cluster, &["health", "--nodes", &given]).await.code,
        Some(0)
    );
}

#[tokio::test]
async fn completions_and_the_man_page_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = start_with("", &["completions", shell], Stdio::null())
            .ended()
            .await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(
            ended.stdout.contains("at-least"),
            "{shell}: {}",
            ended.stdout
        );
    }
    let man = start_with("", &["man"], Stdio::null()).ended().await;
    assert_eq!(man.code, Some(0), "{man:?}");
    for words in [
        ".TH redlock",
        "REDLOCK_NODES",
        "COMMAND RUN",
        "busy\\-code",
        "health",
        "COMMAND JOB",
        "COMMAND TOP",
        "interval",
        "75",
    ] {
        assert!(man.stdout.contains(words), "{words}: {}", man.stdout);
    }
}
