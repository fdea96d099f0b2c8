//! On real servers, while nodes and replicas stop and start.

use std::{collections::BTreeSet, time::Duration};

use redlock::{
    Job, JobHandle, Redlock,
    job::{Firing, OnCrash},
};
use tests::{Cluster, eventually, within};

use super::{NAME, Ran};

const SOON: Duration = Duration::from_secs(30);
const OFTEN: Duration = Duration::from_millis(200);

/// Servers report their uptime in whole seconds. After this time every client knows that a write is newer than their start.
async fn servers() -> Cluster {
    let cluster = Cluster::start(3).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    cluster
}

async fn replica(cluster: &Cluster) -> Job {
    let builder = Redlock::builder().nodes(cluster.urls());
    let builder = builder.clock_skew(Duration::from_millis(100));
    let redlock = builder.connect().await.expect("a quorum");
    redlock.job(NAME, OFTEN).ttl(Duration::from_secs(1))
}

fn spawn(job: Job, ran: &Ran) -> JobHandle {
    let ran = ran.clone();
    job.spawn(move |firing, _| {
        ran.push(firing);
        async { tokio::time::sleep(Duration::from_millis(10)).await }
    })
}

async fn more(ran: &Ran, count: usize) {
    let wanted = ran.all().len() + count;
    eventually(SOON, async || ran.all().len() >= wanted).await;
}

fn assert_once(ran: &Ran) {
    let all = ran.all();
    let instants: BTreeSet<_> = all.iter().map(Firing::at).collect();
    assert_eq!(instants.len(), all.len(), "{all:?}");
    assert!(all.is_sorted_by_key(Firing::at), "{all:?}");
}

#[tokio::test]
async fn no_firing_runs_twice_while_nodes_and_replicas_restart() {
    let cluster = servers().await;
    let ran = Ran::default();
    let mut replicas = Vec::new();
    for _ in 0..3 {
        let job = replica(&cluster).await.on_crash(OnCrash::Skip);
        replicas.push(spawn(job, &ran));
    }
    more(&ran, 5).await;
    cluster.node(0).kill();
    more(&ran, 5).await;
    cluster.node(0).start().await;
    more(&ran, 5).await;
    let first = replicas.swap_remove(0);
    within(SOON, first.stop()).await.expect("no error");
    more(&ran, 5).await;
    for replica in replicas {
        within(SOON, replica.stop()).await.expect("no error");
    }
    assert_once(&ran);
}

#[tokio::test]
async fn another_replica_runs_a_crashed_firing_again() {
    let cluster = servers().await;
    let (crashed, ran) = (Ran::default(), Ran::default());
    let job = replica(&cluster).await;
    let first = tokio::spawn(job.run({
        let crashed = crashed.clone();
        move |firing, _| {
            crashed.push(firing);
            std::future::pending::<()>()
        }
    }));
    more(&crashed, 1).await;
    let job = replica(&cluster).await.missed(redlock::job::Missed::All);
    let second = spawn(job, &ran);
    first.abort();
    more(&ran, 2).await;
    within(SOON, second.stop()).await.expect("no error");
    let (crashed, ran) = (crashed.all(), ran.all());
    assert!(ran[0].is_rerun() && !ran[1].is_rerun());
    assert_eq!(ran[0].at(), crashed[0].at());
}
