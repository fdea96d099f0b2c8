//! All libraries on one key at the same time: no increment is lost.

use std::path::Path;
use std::time::Duration;

use redlock::Redlock;
use tests::{Cluster, eventually, within};
use tokio::time::sleep;

use crate::peer::{Library, Peer};
use crate::support::{BOUND, KEY, SOON, ours};

const TURNS: u64 = 12;

#[tokio::test]
async fn all_libraries_increment_a_counter_without_lost_updates() {
    let cluster = Cluster::start(3).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("counter");
    std::fs::write(&file, "0").expect("a file");
    let mut peers: Vec<Peer> = Library::QUORUM_LOCKS
        .iter()
        .filter_map(|library| Peer::start(*library, &cluster, KEY))
        .collect();
    let expected = TURNS * (2 + peers.len() as u64);

    let (fenced, plain) = (ours(&cluster, true).await, ours(&cluster, false).await);
    let theirs =
        futures_util::future::join_all(peers.iter_mut().map(|peer| peer.count(&file, TURNS)));
    within(BOUND, async {
        tokio::join!(theirs, count(&fenced, &file), count(&plain, &file))
    })
    .await;

    let counted = std::fs::read_to_string(&file).expect("the counter");
    assert_eq!(counted, expected.to_string());
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
}

async fn count(redlock: &Redlock, file: &Path) {
    for _ in 0..TURNS {
        let turn = redlock.lock(KEY).wait(BOUND).run(async |_held| {
            let read: u64 = std::fs::read_to_string(file)
                .expect("the counter")
                .parse()
                .expect("a number");
            sleep(Duration::from_millis(2)).await;
            std::fs::write(file, (read + 1).to_string()).expect("the counter");
        });
        turn.await.expect("a turn");
    }
}
