//! Invalid input is reported with its remedy and exit code 2, and no secret is shown.

use std::process::Stdio;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tests::slips::{ADDED, SECRET, looks_like_a_name, slip};

use crate::process::{Ended, start_with};

async fn refused(nodes: &str, args: &[&str]) -> Ended {
    let ended = start_with(nodes, args, Stdio::null()).ended().await;
    assert_eq!(
        (ended.code, &*ended.stdout),
        (Some(2), ""),
        "{args:?}: {ended:?}"
    );
    ended
}

#[tokio::test]
async fn wrong_arguments_are_named_in_the_error() {
    let nodes = "redis://127.0.0.1:1";
    for (args, needle) in [
        (&["run", "--key", "k"][..], "COMMAND"),
        (&["run", "--", "true"], "--key"),
        (
            &["run", "--key", "k", "--ttl", "10", "--", "true"],
            "'10' for '--ttl <DURATION>': not a duration",
        ),
        (
            &[
                "run",
                "--key",
                "k",
                "--wait",
                "1s",
                "--no-wait",
                "--",
                "true",
            ],
            "--no-wait",
        ),
        (
            &["run", "--key", "k", "--env", "A=B", "--", "true"],
            "leave `=` out",
        ),
        (
            &["run", "--key", "k", "--ttl", "2m", "--", "true"],
            "max_ttl",
        ),
        (&["run", "--key", "", "--", "true"], "key"),
        (&["holder"], "KEY"),
        (&["job"], "NAME"),
        (&["job", "{}"], "key"),
        (&["fly"], "fly"),
        (&["health", "--color", "green"], "green"),
    ] {
        let ended = refused(nodes, args).await;
        assert!(ended.stderr.contains(needle), "{args:?}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn wrong_nodes_are_named_without_their_secrets() {
    let ended = refused("", &["health"]).await;
    assert!(
        ended.stderr.contains("--nodes or REDLOCK_NODES"),
        "{ended:?}"
    );
    let ended = refused("redis://:s3cret@host:port", &["health", "--json"]).await;
    assert!(ended.stderr.contains("no number as its port"), "{ended:?}");
    assert!(!ended.stderr.contains("s3cret"), "{ended:?}");
    let error: serde_json::Value = serde_json::from_str(&ended.stderr).expect("JSON");
    assert_eq!(error["kind"], "InvalidNodes");
    // Nodes that are down are not a mistake of the command line.
    let args = ["run", "--key", "k", "--wait", "100ms", "--", "true"];
    let ended = start_with("redis://:s3cret@127.0.0.1:1", &args, Stdio::null())
        .ended()
        .await;
    assert_eq!(ended.code, Some(69), "{ended:?}");
    assert!(ended.stderr.contains("127.0.0.1:1: "), "{ended:?}");
    assert!(!ended.stderr.contains("s3cret"), "{ended:?}");
}

/// Events and errors go to files and mails too.
#[tokio::test]
async fn what_is_not_for_a_terminal_has_no_colours() {
    for color in [&["--color", "auto"][..], &["--color", "never"]] {
        let command = ["-vv", "run", "--key", "k", "--wait", "200ms", "--", "true"];
        let args = [color, &command[..]].concat();
        let ended = start_with("redis://127.0.0.1:1", &args, Stdio::null());
        let ended = ended.ended().await;
        assert!(ended.stderr.contains("redlock::"), "an event: {ended:?}");
        assert!(!ended.stderr.contains('\x1b'), "{ended:?}");
    }
}

/// An address where something else belongs, and a variable with its value where its name belongs.
#[tokio::test]
async fn f3_an_argument_in_the_wrong_place_shows_no_secret() {
    let address = &*format!("redis://:{SECRET}@127.0.0.1:1");
    let (node, json) = (format!("--node={address}"), format!("--json={address}"));
    let option = format!("--{address}");
    let variable = format!("DATABASE_PASSWORD={SECRET}");
    for args in [
        &[address][..],
        &["health", address],
        &["health", address, "--all"],
        &["health", &node],
        &["health", &json],
        &["run", "--key", "k", &option, "--", "true"],
        &["health", "--color", address],
        &["wait", "k", "--timeout", address],
        &["holder", "k", address],
        &["completions", address],
        &["run", "--key", "k", "--env", &variable, "--", "true"],
    ] {
        let ended = refused("redis://127.0.0.1:1", args).await;
        assert!(!ended.stderr.contains(SECRET), "{args:?}: {ended:?}");
    }
}

/// As `f3_no_mistyped_variable_shows_its_password` does for the library.
#[tokio::test]
async fn f3_no_mistyped_nodes_show_their_password() {
    let mut random = StdRng::seed_from_u64(3);
    let added: Vec<char> = ADDED.chars().collect();
    for case in 0..150 {
        let mut nodes =
            format!("redis://:{SECRET}@127.0.0.1:1,unix:///run/none.sock?pass={SECRET}");
        for _ in 0..random.random_range(1..=3) {
            let with = added.get(random.random_range(0..=added.len())).copied();
            nodes = slip(&nodes, random.random_range(0..1_000), with, random.random());
        }
        if looks_like_a_name(&nodes) {
            continue;
        }
        let args = [
            "run",
            "--key",
            "k",
            "--no-wait",
            "--nodes",
            &nodes,
            "-vv",
            "--",
            "true",
        ];
        let ended = start_with("", &args, Stdio::null()).ended().await;
        let said = ended.stdout + &ended.stderr;
        assert!(!said.contains(SECRET), "{case}: {nodes:?}: {said}");
        assert_ne!(ended.code, Some(0), "{case}: {nodes:?}: {said}");
    }
}
