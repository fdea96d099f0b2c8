//! Our client and one of another library exclude each other, in both directions, for each library.

use redlock::Redlock;
use tests::{Cluster, eventually};
use tokio::time::sleep;

use crate::peer::{Library, Peer};
use crate::support::{KEPT, KEY, LONG, SHORT, SOON, is_ours, ours, stands, still_stands};

/// Our client with tokens and without.
const FENCING: [bool; 2] = [true, false];

async fn a_lock_of_another_library_is_busy_for_us(library: Library) {
    let cluster = Cluster::start(3).await;
    let Some(mut peer) = Peer::start(library, &cluster, KEY) else {
        return;
    };
    for fencing in FENCING {
        let redlock = ours(&cluster, fencing).await;
        assert!(peer.acquire(LONG).await);
        let standing = stands(&cluster).await;

        assert!(redlock.try_lock(KEY).await.expect("a look").is_none());
        let busy = redlock.lock(KEY).no_wait().await.expect_err("it is held");
        assert!(busy.is_busy(), "{busy}");
        let left = busy.retry_after().expect("what is left of their lease");
        assert!(left > LONG / 2 && left <= LONG, "{left:?}");
        assert!(redlock.is_locked(KEY).await.expect("a look"));
        redlock.close().await;
        assert!(
            still_stands(&cluster, &standing).await,
            "our attempts left it alone"
        );

        assert!(peer.release().await);
        let guard = ours(&cluster, fencing)
            .await
            .lock(KEY)
            .wait(SOON)
            .await
            .expect("free again");
        guard.release().await.expect("released");
    }
}

async fn our_lock_is_busy_for_other_libraries(library: Library) {
    let cluster = Cluster::start(3).await;
    let Some(mut peer) = Peer::start(library, &cluster, KEY) else {
        return;
    };
    for fencing in FENCING {
        let redlock = ours(&cluster, fencing).await;
        let guard = redlock.lock(KEY).ttl(LONG).no_wait().await.expect("free");
        let standing = stands(&cluster).await;
        assert!(is_ours(&standing, &guard), "{standing:?}");

        assert!(!peer.acquire(LONG).await);
        assert!(
            still_stands(&cluster, &standing).await,
            "their attempt left it alone"
        );
        guard.extend().await.expect("still held");

        guard.release().await.expect("released");
        eventually(SOON, async || peer.acquire(LONG).await).await;
        assert!(peer.release().await);
        eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
    }
}

async fn an_extended_lock_of_each_library_outlives_its_ttl(library: Library) {
    let cluster = Cluster::start(3).await;
    let Some(mut peer) = Peer::start(library, &cluster, KEY) else {
        return;
    };
    let redlock = ours(&cluster, true).await;
    let guard = redlock
        .lock(KEY)
        .ttl(KEPT)
        .keep_alive(true)
        .await
        .expect("free");
    sleep(KEPT * 3 / 2).await;
    assert!(!guard.is_lost());
    assert!(!peer.acquire(LONG).await);
    guard.release().await.expect("released");

    eventually(SOON, async || peer.acquire(KEPT).await).await;
    if library.extends() {
        sleep(KEPT / 2).await;
        assert!(peer.extend(KEPT).await);
        sleep(KEPT * 3 / 4).await;
        let look = redlock.try_lock(KEY).await.expect("a look");
        assert!(look.is_none(), "its first ttl is over, but not the second");
        assert!(peer.extend(KEPT).await, "and still theirs");
    }
}

async fn a_late_release_does_not_affect_the_next_holder(library: Library) {
    let cluster = Cluster::start(3).await;
    let Some(mut peer) = Peer::start(library, &cluster, KEY) else {
        return;
    };
    for fencing in FENCING {
        let redlock = ours(&cluster, fencing).await;
        // Their lock expires, our client gets it, and then they release.
        assert!(peer.acquire(SHORT).await);
        let guard = redlock
            .lock(KEY)
            .ttl(LONG)
            .wait(SOON)
            .await
            .expect("expired");
        let standing = stands(&cluster).await;
        assert!(is_ours(&standing, &guard), "{standing:?}");
        let found = peer.release().await;
        assert!(!found || !library.tells_late_releases());
        assert!(
            still_stands(&cluster, &standing).await,
            "their release left it alone"
        );
        guard.extend().await.expect("still held");
        guard.release().await.expect("released");

        // Our lock expires, they get it, and then our client releases.
        let late = hold_shortly(&redlock).await;
        eventually(SOON, async || peer.acquire(LONG).await).await;
        let standing = stands(&cluster).await;
        assert!(late.is_lost());
        assert!(late.extend().await.expect_err("lost").is_lost());
        assert!(late.release().await.expect_err("lost").is_lost());
        redlock.close().await;
        assert!(
            still_stands(&cluster, &standing).await,
            "our release left it alone"
        );
        assert!(peer.release().await);
        eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
    }
}

async fn hold_shortly(redlock: &Redlock) -> redlock::Guard {
    redlock
        .lock(KEY)
        .ttl(SHORT)
        .keep_alive(false)
        .wait(SOON)
        .await
        .expect("free")
}

macro_rules! against {
    ($($module:ident: $library:ident),* $(,)?) => {$(
        mod $module {
            use super::Library;

            #[tokio::test]
            async fn a_lock_of_another_library_is_busy_for_us() {
                super::a_lock_of_another_library_is_busy_for_us(Library::$library).await;
            }

            #[tokio::test]
            async fn our_lock_is_busy_for_other_libraries() {
                super::our_lock_is_busy_for_other_libraries(Library::$library).await;
            }

            #[tokio::test]
            async fn an_extended_lock_of_each_library_outlives_its_ttl() {
                super::an_extended_lock_of_each_library_outlives_its_ttl(Library::$library).await;
            }

            #[tokio::test]
            async fn a_late_release_does_not_affect_the_next_holder() {
                super::a_late_release_does_not_affect_the_next_holder(Library::$library).await;
            }
        }
    )*};
}

against! {
    node_redlock: NodeRedlock,
    pottery: Pottery,
    redlock_py: RedlockPy,
}
