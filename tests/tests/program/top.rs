//! `redlock top`: on a terminal, through a pipe, and as JSON.

use std::{fs, process::Stdio, time::Duration};

use redlock::Redlock;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tests::{Cluster, eventually};

use crate::process::{PATIENCE, run, start, start_through, start_with, three_servers};

const KEY: &str = "invoice:42";

const OFTEN: [&str; 2] = ["--interval", "100ms"];

/// A terminal of six rows, whose first line is the process of the program.
const TERMINAL: [&str; 4] = [
    "sh",
    "-c",
    "exec script --quiet --return --flush --command \"stty rows 6; echo \\$\\$; exec $*\" /dev/null",
    "sh",
];

async fn client(cluster: &Cluster, label: &str) -> Redlock {
    let redlock = Redlock::builder().nodes(cluster.urls()).label(label);
    redlock.connect().await.expect("three nodes")
}

#[tokio::test]
async fn through_a_pipe_it_looks_once() {
    let cluster = three_servers().await;
    let holder = client(&cluster, "api-7").await;
    let guard = holder.lock(KEY).await.expect("free");
    let minute = Duration::from_secs(60);
    let cools = holder.lock("cools").await.expect("free");
    cools.cool_down(minute).await.expect("three nodes");

    let shown = run(&cluster, &["top", KEY, "cools", "free"]).await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(!shown.stdout.contains('\x1b'), "{shown:?}");
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert_eq!(lines.len(), 8, "{shown:?}");
    assert!(lines[..3].iter().all(|node| node.ends_with("votes")));
    assert_eq!(lines[3..5], ["3 of 3 nodes vote, 2 are needed", ""]);
    let held = format!("token {}", guard.token());
    assert!(lines[5].starts_with("invoice:42  held by api-7 for another "));
    assert!(lines[5].ends_with(&held), "{shown:?}");
    assert!(lines[6].starts_with("cools       nobody holds it, but it cools down"));
    assert_eq!(lines[7], "free        free");

    cluster.node(0).kill();
    assert_eq!(run(&cluster, &["top", KEY]).await.code, Some(0));
    cluster.node(1).kill();
    let ill = run(&cluster, &["top", KEY]).await;
    assert_eq!(ill.code, Some(69), "{ill:?}");
    assert!(ill.stdout.contains("1 of 3 nodes vote"), "{ill:?}");
    assert!(ill.stdout.contains("\ninvoice:42  "), "{ill:?}");
}

#[tokio::test]
async fn json_is_one_line_for_each_look() {
    let cluster = three_servers().await;
    let guard = client(&cluster, "api-7").await;
    let guard = guard.lock(KEY).await.expect("free");
    let args = [&["top", "--json", KEY, "free"][..], &OFTEN].concat();
    let mut program = start(&cluster, &args);
    let looks = async |program: &mut crate::process::Program| -> Value {
        serde_json::from_str(&program.line().await).expect("JSON")
    };
    let first = looks(&mut program).await;
    assert_eq!((&first["voting"], &first["quorum"]), (&3.into(), &2.into()));
    assert_eq!(
        (&first["healthy"], &first["nodes"][0]["state"]),
        (&true.into(), &"up".into())
    );
    let [held, free] = [&first["locks"][0], &first["locks"][1]];
    assert_eq!(
        (&held["key"], &held["label"]),
        (&KEY.into(), &"api-7".into())
    );
    assert_eq!(
        (&held["token"], &held["waiting"]),
        (&guard.token().get().into(), &0.into())
    );
    assert_eq!(
        (&free["held"], &free["waiting"]),
        (&false.into(), &Value::Null)
    );

    let waiter = client(&cluster, "api-8").await;
    let waits = tokio::spawn(async move { waiter.lock(KEY).wait(PATIENCE).await });
    while looks(&mut program).await["locks"][0]["waiting"] != 1 {}
    guard.release().await.expect("three nodes");
    let guard = waits.await.expect("no panic").expect("its turn");
    while looks(&mut program).await["locks"][0]["label"] != "api-8" {}
    guard.release().await.expect("three nodes");
    while looks(&mut program).await["locks"][0]["held"] != false {}

    program.signal(Signal::INT);
    let ended = program.ended().await;
    assert_eq!((ended.code, &*ended.stderr), (Some(130), ""), "{ended:?}");
    let once = run(&cluster, &["top", "--json", "--once"]).await;
    assert_eq!((once.code, &once.json()["voting"]), (Some(0), &3.into()));
}

#[tokio::test]
async fn it_ends_when_nobody_reads() {
    let cluster = Cluster::start(1).await;
    let head = ["sh", "-c", "\"$0\" \"$@\" | head -n 2"];
    let args = [&["top", "--json"][..], &OFTEN].concat();
    let ended = start_through(&cluster, &head, &args).ended().await;
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
    assert_eq!(ended.stdout.lines().count(), 2, "{ended:?}");
}

#[tokio::test]
async fn a_terminal_is_drawn_again_and_restored() {
    const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
    const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
    let cluster = three_servers().await;
    let holder = client(&cluster, "api-7").await;
    let args = [&["top", KEY, "b", "c"][..], &OFTEN].concat();
    let mut program = start_through(&cluster, &TERMINAL, &args);
    let id = program.line().await.trim().parse().ok();
    let id = id.and_then(Pid::from_raw).expect("a process");
    let first = program.line().await;
    assert!(first.starts_with(ENTER), "{first:?}");
    assert!(
        first.contains("redlock top, every 100 ms, ends with Ctrl-C"),
        "{first:?}"
    );
    // Of its ten lines, five and their count fit: two of the heading, and the nodes.
    let last = program.line_with("and 5 more lines").await;
    assert!(
        last.contains("\x1b[J\x1b[H"),
        "the next one is drawn over it: {last:?}"
    );

    program.presses("\x1a").await;
    let status = || fs::read_to_string(format!("/proc/{}/status", id.as_raw_nonzero()));
    let is_stopped = async || status().is_ok_and(|status| status.contains("\nState:\tT"));
    eventually(PATIENCE, is_stopped).await;
    // `script` may have stopped itself as well, or may be about to.
    let (script, restored) = (program.id(), [LEAVE, ENTER].concat());
    let continues = async {
        loop {
            for process in [script, id] {
                kill_process(process, Signal::CONT).expect("a process of ours");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        _ = program.line_with(&restored) => {}
        () = continues => {}
    }

    drop(holder);
    program.presses("\x03").await;
    let ended = program.ended().await;
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.stdout.ends_with(LEAVE), "{ended:?}");
}

#[tokio::test]
async fn what_cannot_be_shown_is_an_error() {
    let cluster = Cluster::start(1).await;
    let nodes = cluster.urls().join(",");
    for (args, needle) in [
        (&["top", "--interval", "10ms"][..], "write 100ms or more"),
        (&["top", "--interval", "soon"], "not a duration"),
        (&["top", "--json", ""], "key"),
    ] {
        let ended = start_with(&nodes, args, Stdio::null()).ended().await;
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains(needle), "{args:?}: {ended:?}");
    }
}
