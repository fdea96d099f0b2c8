//! 500 tasks and 10 tickets: the lock sells exactly 10, its absence more.

use tests::Cluster;

use crate::program::{Ended, Program};

async fn tickets(args: &[&str], env: &[(&str, &str)]) -> Ended {
    Program::start("tickets", args, env).ended().await
}

#[tokio::test]
async fn locked_sells_exactly_ten() {
    let ended = tickets(&[], &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended
            .stdout
            .contains("500 tasks want 10 tickets, under a lock on 3 nodes inside"),
        "{ended:?}"
    );
    assert!(
        ended.stdout.ends_with("10 sold: as many as there were"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn locked_on_real_nodes_sells_exactly_ten() {
    let cluster = Cluster::start(3).await;
    let ended = tickets(&[], &[("REDIS_URLS", &cluster.urls().join(","))]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.stdout.contains("under a lock on the Redis nodes"),
        "{ended:?}"
    );
    assert!(
        ended.stdout.ends_with("10 sold: as many as there were"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn unlocked_oversells() {
    let ended = tickets(&["--unlocked"], &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.stdout.contains("more than there were"),
        "the control sold no more than there were: {ended:?}"
    );
}

#[tokio::test]
async fn fewer_tasks_than_tickets() {
    let ended = tickets(&["--tasks", "3"], &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.ends_with("3 sold: 7 are left"), "{ended:?}");
}

#[tokio::test]
async fn wrong_arguments_are_named() {
    let ended = tickets(&["--tasks", "many"], &[]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("--tasks"), "{ended:?}");
}
