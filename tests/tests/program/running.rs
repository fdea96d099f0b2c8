//! `redlock run`: a command under a lock, its exit codes and its signals.

use redlock::Redlock;
use rustix::process::{Signal, kill_process};
use tests::{Cluster, eventually};

use crate::process::{PATIENCE, program, run, start, start_through, three_servers};

const KEY: &str = "nightly";

/// Reports that it has started, and ends on request.
const UNTIL_TERM: &str =
    "trap 'echo ending; exit 9' TERM; echo started; while :; do sleep 0.05; done";

#[tokio::test]
async fn the_command_has_the_token_and_gives_its_exit_code() {
    let cluster = three_servers().await;
    let mut tokens: Vec<u64> = Vec::new();
    for args in [
        &[
            "run",
            "--key",
            KEY,
            "--",
            "sh",
            "-c",
            "echo $REDLOCK_TOKEN; exit 7",
        ][..],
        &[
            "run",
            "--key",
            KEY,
            "--env",
            "FENCE",
            "--",
            "sh",
            "-c",
            "echo $FENCE; exit 7",
        ],
    ] {
        let ended = run(&cluster, args).await;
        assert_eq!((ended.code, &*ended.stderr), (Some(7), ""), "{ended:?}");
        tokens.push(ended.stdout.parse().expect("a token"));
        assert!(cluster.locked_on(KEY).await.is_empty());
    }
    assert!(tokens[1] > tokens[0], "{tokens:?}");
    let ended = run(
        &cluster,
        &["run", "--key", KEY, "--", "sh", "-c", "kill -KILL $$"],
    )
    .await;
    assert_eq!(ended.code, Some(137), "{ended:?}");
}

/// As two machines do whose schedules are the same.
#[tokio::test]
async fn of_two_that_start_at_once_and_do_not_wait_one_runs() {
    let cluster = three_servers().await;
    for _ in 0..60 {
        let command = ["run", "--key", KEY, "--no-wait", "--", "sleep", "0.3"];
        let [first, second] = [(); 2].map(|()| start(&cluster, &command).ended());
        let (first, second) = tokio::join!(first, second);
        let mut codes = [first.code, second.code];
        codes.sort_unstable();
        assert_eq!(codes, [Some(0), Some(75)], "{first:?} {second:?}");
        assert!(cluster.locked_on(KEY).await.is_empty());
    }
}

/// What it was granted on some nodes is released before the program ends.
#[tokio::test]
async fn a_lock_that_was_not_granted_leaves_nothing() {
    let cluster = three_servers().await;
    for node in [cluster.node(0), cluster.node(1)] {
        let mut set = redis::cmd("SET");
        set.arg(KEY).arg("theirs").arg("PX").arg(50_000);
        let () = node.ask(&set).await;
    }
    let command = ["run", "--key", KEY, "--no-wait", "--", "true"];
    for _ in 0..20 {
        let ended = run(&cluster, &command).await;
        assert_eq!(ended.code, Some(75), "{ended:?}");
        assert_eq!(cluster.node(2).get(KEY).await, None, "{ended:?}");
    }
}

#[tokio::test]
async fn a_command_under_nohup_survives_a_hangup() {
    let cluster = three_servers().await;
    let command = ["run", "--key", KEY, "--", "sh", "-c", UNTIL_TERM];
    let nohup = ["sh", "-c", "trap '' HUP; exec \"$0\" \"$@\""];
    let mut program = start_through(&cluster, &nohup, &command);
    assert_eq!(program.line().await, "started");
    program.signal(Signal::HUP);
    program.signal(Signal::TERM);
    let ended = program.ended().await;
    assert_eq!(
        (ended.code, &*ended.stdout),
        (Some(9), "ending"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn one_of_two_cron_jobs_runs() {
    let cluster = three_servers().await;
    let mut first = start(
        &cluster,
        &["run", "--key", KEY, "--", "sh", "-c", UNTIL_TERM],
    );
    assert_eq!(first.line().await, "started");

    let second = &["run", "--key", KEY, "--no-wait", "--", "echo", "twice"][..];
    let ended = run(&cluster, second).await;
    assert_eq!((ended.code, &*ended.stdout), (Some(75), ""), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("lock `nightly`: is held by cron-1; the lease ends in "),
        "{ended:?}"
    );
    let coded = [
        "run",
        "--key",
        KEY,
        "--wait",
        "50ms",
        "--busy-code",
        "0",
        "--",
        "echo",
        "twice",
    ];
    let ended = run(&cluster, &coded).await;
    assert_eq!((ended.code, &*ended.stdout), (Some(0), ""), "{ended:?}");
    let json = [
        "--json",
        "run",
        "--key",
        KEY,
        "--no-wait",
        "--",
        "echo",
        "twice",
    ];
    let ended = run(&cluster, &json).await;
    let error: serde_json::Value = serde_json::from_str(&ended.stderr).expect("JSON");
    assert_eq!(
        (error["kind"].as_str(), error["holder"].as_str()),
        (Some("Busy"), Some("cron-1"))
    );

    first.signal(Signal::TERM);
    assert_eq!(first.ended().await.code, Some(9));
    let ended = run(&cluster, second).await;
    assert_eq!(
        (ended.code, &*ended.stdout),
        (Some(0), "twice"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_quick_command_is_not_run_again_by_the_next_replica() {
    let cluster = three_servers().await;
    let args = [
        "run",
        "--key",
        KEY,
        "--no-wait",
        "--at-least",
        "1m",
        "--",
        "echo",
        "ran",
    ];
    let ended = run(&cluster, &args).await;
    assert_eq!((ended.code, &*ended.stdout), (Some(0), "ran"), "{ended:?}");
    let ended = run(&cluster, &args).await;
    assert_eq!((ended.code, &*ended.stdout), (Some(75), ""), "{ended:?}");
    assert!(ended.stderr.contains("cool-down"), "{ended:?}");
}

#[tokio::test]
async fn the_lock_is_held_until_the_command_has_ended_after_a_signal() {
    let cluster = three_servers().await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
    // It ends slowly, and reports its end.
    let command = "trap 'echo ending; read go < $0; echo ended; exit 3' INT; echo started; while :; do sleep 0.05; done";
    let folder = tempfile::tempdir().expect("a folder");
    let go = folder.path().join("go");
    let made = std::process::Command::new("mkfifo").arg(&go).status();
    assert!(made.expect("mkfifo").success());
    let path = go.to_str().expect("a path");
    let mut program = start(
        &cluster,
        &["run", "--key", KEY, "--", "sh", "-c", command, path],
    );
    assert_eq!(program.line().await, "started");
    program.signal(Signal::INT);
    assert_eq!(program.line().await, "ending");
    assert!(redlock.is_locked(KEY).await.expect("a quorum"));
    tokio::task::spawn_blocking(move || std::fs::write(go, "go\n"))
        .await
        .expect("no panic")
        .expect("a line");
    let ended = program.ended().await;
    assert_eq!(
        (ended.code, &*ended.stdout),
        (Some(3), "ended"),
        "{ended:?}"
    );
    eventually(PATIENCE, async || cluster.locked_on(KEY).await.is_empty()).await;
}

#[tokio::test]
async fn a_signal_while_it_waits_leaves_nothing_behind() {
    let cluster = three_servers().await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
    let guard = redlock.lock(KEY).await.expect("free");
    let program = start(
        &cluster,
        &["run", "--key", KEY, "--wait", "1h", "--", "echo", "ran"],
    );
    eventually(PATIENCE, async || waits(&cluster).await).await;
    program.signal(Signal::TERM);
    let ended = program.ended().await;
    assert_eq!((ended.code, &*ended.stdout), (Some(143), ""), "{ended:?}");
    guard.release().await.expect("three nodes");
    assert!(cluster.locked_on(KEY).await.is_empty());
}

/// Whether a process waits for the lock.
async fn waits(cluster: &Cluster) -> bool {
    let keys = cluster.node(0).keys().await;
    keys.iter().any(|key| key.ends_with("waiters"))
}

#[tokio::test]
async fn a_command_that_cannot_start_releases_the_lock() {
    let cluster = three_servers().await;
    for (command, code) in [("/no/such/program", 127), ("/etc/passwd", 126)] {
        for options in [&[][..], &["--at-least", "1m"]] {
            let args = [&["run", "--key", KEY], options, &["--", command]].concat();
            let ended = run(&cluster, &args).await;
            assert_eq!(ended.code, Some(code), "{ended:?}");
            assert!(ended.stderr.contains(command), "{ended:?}");
            assert!(cluster.locked_on(KEY).await.is_empty(), "{args:?}");
        }
    }
}

#[tokio::test]
async fn a_program_that_is_replaced_while_it_waits_runs_its_command() {
    let cluster = three_servers().await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
    let guard = redlock.lock(KEY).await.expect("free");
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("redlock");
    std::fs::copy(program(), &copy).expect("a copy");
    let shell = [
        "sh",
        "-c",
        "shift; exec \"$0\" \"$@\"",
        copy.to_str().expect("a path"),
    ];
    let args = ["run", "--key", KEY, "--wait", "1h", "--", "echo", "ran"];
    let program = start_through(&cluster, &shell, &args);
    eventually(PATIENCE, async || waits(&cluster).await).await;
    std::fs::remove_file(&copy).expect("its file");
    guard.release().await.expect("three nodes");
    let ended = program.ended().await;
    assert_eq!((ended.code, &*ended.stdout), (Some(0), "ran"), "{ended:?}");
}

#[tokio::test]
async fn a_watcher_that_was_stopped_does_not_stop_the_program() {
    let cluster = three_servers().await;
    let command = ["run", "--key", KEY, "--", "sh", "-c", UNTIL_TERM];
    let mut program = start(&cluster, &command);
    assert_eq!(program.line().await, "started");
    kill_process(program.watcher(), Signal::STOP).expect("a process of ours");
    program.signal(Signal::TERM);
    let ended = program.ended().await;
    assert_eq!(
        (ended.code, &*ended.stdout),
        (Some(9), "ending"),
        "{ended:?}"
    );
    assert!(cluster.locked_on(KEY).await.is_empty());
}

/// A run with another list of nodes gets nothing, while the one with the list in use goes on.
#[tokio::test]
async fn a_run_with_other_nodes_speaks_of_itself_only() {
    let cluster = Cluster::start(5).await;
    let urls = cluster.urls();
    let mut first = crate::process::start_with(
        &urls[..3].join(","),
        &["run", "--key", KEY, "--", "sh", "-c", UNTIL_TERM],
        std::process::Stdio::null(),
    );
    assert_eq!(first.line().await, "started");
    let second = crate::process::start_with(
        &urls[2..].join(","),
        &["run", "--key", KEY, "--no-wait", "--", "echo", "twice"],
        std::process::Stdio::null(),
    );
    let ended = second.ended().await;
    assert_eq!((ended.code, &*ended.stdout), (Some(69), ""), "{ended:?}");
    assert!(!ended.stderr.contains("nothing is locked"), "{ended:?}");
    assert!(
        ended.stderr.contains("this client acquires no lock"),
        "{ended:?}"
    );
    first.signal(Signal::TERM);
    assert_eq!(first.ended().await.code, Some(9));
}
