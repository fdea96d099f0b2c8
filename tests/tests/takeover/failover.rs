//! A leader crashes: how soon another process leads.

use std::time::{Duration, Instant};

use futures_util::future::select_all;
use tests::{Cluster, within};

use super::{Process, SOON, client};

const TTL: Duration = Duration::from_secs(2);
/// Much longer than a wake-up takes, also on a busy machine, and shorter than a second ttl.
const WAKE_UP: Duration = Duration::from_secs(1);
/// How often the machine may have been too busy.
const ATTEMPTS: usize = 4;

#[tokio::test]
async fn another_process_leads_within_the_ttl_and_a_wake_up_after_a_crash() {
    let cluster = Cluster::start(3).await;
    let standbys = [client(&cluster).await, client(&cluster).await];
    let mut delays = Vec::new();
    while delays.len() < ATTEMPTS {
        let urls = cluster.urls().join(",");
        let ttl = TTL.as_millis().to_string();
        let args = ["lead", &*urls, "scheduler", &*ttl];
        let mut leader = Process::start(env!("CARGO_BIN_EXE_worker"), &args);
        let token = leader.answer().await;
        let token: u64 = token
            .strip_prefix("leads ")
            .and_then(|token| token.parse().ok())
            .expect("a token");
        let campaigns = standbys.each_ref().map(|standby| {
            let election = standby.election("scheduler").ttl(TTL);
            tokio::spawn(async move { election.campaign().await })
        });
        leader.child.kill().await.expect("our own child");
        let crashed = Instant::now();
        let (next, _, others) = within(SOON, select_all(campaigns)).await;
        let delay = crashed.elapsed();
        let next = next.expect("no panic").expect("nobody else leads");
        assert!(next.token().get() > token);
        // The leader had renewed at most a third of the ttl before.
        assert!(delay > TTL / 2, "{delay:?}: it did not crash");
        for other in others {
            other.abort();
        }
        next.resign().await.expect("three nodes");
        delays.push(delay);
        if delay <= TTL + WAKE_UP {
            println!("another process leads {delays:?} after a crash, with a ttl of {TTL:?}");
            return;
        }
    }
    panic!("the next leader leads after {delays:?}, with a ttl of {TTL:?}");
}
