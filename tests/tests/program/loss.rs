//! Commands whose lock is lost, or whose `redlock` is killed or stopped: they do not continue without it.

use redlock::Redlock;
use rustix::process::Signal;
use tests::{Cluster, eventually};

use crate::process::{PATIENCE, Program, gone, is_running, run, start, three_servers};

const KEY: &str = "nightly";

/// Reports its own process and that of its child, and keeps running.
const COMMAND: &str = "sleep 600 & echo $$ $!; wait";

/// The program with a command that runs, and the processes of the command.
async fn running(cluster: &Cluster, ttl: &str) -> (Program, Vec<String>) {
    let mut program = start(
        cluster,
        &["run", "--key", KEY, "--ttl", ttl, "--", "sh", "-c", COMMAND],
    );
    let processes = program.line().await;
    let processes: Vec<String> = processes.split(' ').map(ToOwned::to_owned).collect();
    assert_eq!(processes.len(), 2);
    assert!(processes.iter().all(|process| is_running(process)));
    (program, processes)
}

async fn all_gone(processes: &[String]) {
    for process in processes {
        gone(process).await;
    }
}

#[tokio::test]
async fn without_a_quorum_the_command_is_killed() {
    let cluster = three_servers().await;
    let (program, processes) = running(&cluster, "2s").await;
    cluster.node(0).pause();
    cluster.node(1).pause();
    let ended = program.ended().await;
    assert_eq!(ended.code, Some(74), "{ended:?}");
    assert!(ended.stderr.contains("lock `nightly`: "), "{ended:?}");
    assert!(ended.stderr.contains("the command was killed"), "{ended:?}");
    all_gone(&processes).await;
}

#[tokio::test]
async fn a_lock_that_is_taken_by_force_kills_the_command() {
    let cluster = three_servers().await;
    let (program, processes) = running(&cluster, "2s").await;
    let ended = run(&cluster, &["release", "--force", "--yes", KEY]).await;
    assert_eq!(
        (ended.code, &*ended.stdout),
        (Some(0), "released; it was held by cron-1"),
        "{ended:?}"
    );
    let killed = program.ended().await;
    assert_eq!(killed.code, Some(74), "{killed:?}");
    // The nodes do not say why it is gone, so its text names this reason too.
    assert!(
        killed.stderr.contains("or was released by an operator"),
        "{killed:?}"
    );
    all_gone(&processes).await;
}

#[tokio::test]
async fn the_command_of_a_killed_program_is_killed() {
    let cluster = three_servers().await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
    let (program, processes) = running(&cluster, "3s").await;
    program.signal(Signal::KILL);
    all_gone(&processes).await;
    // The lock was not released: it ends with its ttl.
    assert_eq!(program.ended().await.code, None);
    eventually(PATIENCE, async || {
        !redlock.is_locked(KEY).await.expect("a quorum")
    })
    .await;
}

#[tokio::test]
async fn the_command_of_a_stopped_program_is_killed_when_the_lock_is_lost() {
    let cluster = three_servers().await;
    let (program, processes) = running(&cluster, "2s").await;
    program.signal(Signal::STOP);
    // The lock is not renewed, and the next client gets it.
    let next = start(
        &cluster,
        &["run", "--key", KEY, "--wait", "1m", "--", "echo", "next"],
    );
    all_gone(&processes).await;
    let next = next.ended().await;
    assert_eq!((next.code, &*next.stdout), (Some(0), "next"), "{next:?}");
    program.signal(Signal::CONT);
    assert_eq!(program.ended().await.code, Some(74));
}

#[tokio::test]
async fn a_command_is_not_started_without_the_lock() {
    let cluster = three_servers().await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
    for _ in 0..20 {
        let program = start(
            &cluster,
            &[
                "run", "--key", KEY, "--ttl", "1s", "--", "sh", "-c", COMMAND,
            ],
        );
        if !program.stop_before_its_command().await {
            // A busy machine: the next one may be stopped in time.
            program.signal(Signal::CONT);
            program.signal(Signal::TERM);
            program.ended().await;
            continue;
        }
        let is_free = async || !redlock.is_locked(KEY).await.expect("a quorum");
        eventually(PATIENCE, is_free).await;
        program.signal(Signal::CONT);
        let ended = program.ended().await;
        let expected = "the lock was lost before the command was started";
        assert!(ended.stderr.contains(expected), "{ended:?}");
        assert_eq!((ended.code, &*ended.stdout), (Some(74), ""), "{ended:?}");
        return;
    }
    panic!("each command was started before its program could be stopped");
}
