//! Invalid input is reported with its remedy and exit code 2, and no secret is shown.

use std::process::Stdio;

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
