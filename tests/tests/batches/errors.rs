//! Each command of a batch has its own reply; and a call that is refused is repeated command by command.

use redlock::FaultKind;

use super::{
    Cluster, LONG, MANY, Sharded, all_free, calls, connect, eventually, keys, lock_all,
    release_all, try_all,
};

/// The kind of the fault of every node, where all have the same.
fn kind(error: &redlock::Error) -> Option<FaultKind> {
    let mut kinds = error.node_errors().iter().map(redlock::NodeError::kind);
    let first = kinds.next()?;
    kinds.all(|kind| kind == first).then_some(first)
}

#[tokio::test]
async fn a_failure_affects_only_its_own_command() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(cluster.urls()).await;
    let keys = keys();
    for node in cluster.nodes() {
        let _: () = node
            .ask(redis::cmd("HSET").arg(&keys[7]).arg(&["field", "value"]))
            .await;
        let fence = format!("{{{}}}{{}}:fence", keys[9]);
        let _: () = node.ask(redis::cmd("LPUSH").arg(fence).arg("value")).await;
        let fence = format!("{{{}}}{{}}:fence", keys[11]);
        let _: () = node
            .ask(redis::cmd("SET").arg(fence).arg("no number"))
            .await;
    }
    let tried = try_all(&redlock, &keys).await;
    for (place, tried) in tried.iter().enumerate() {
        let expected = match place {
            7 | 9 => Some(FaultKind::WrongType),
            11 => Some(FaultKind::BadFence),
            _ => None,
        };
        match tried {
            Ok(guard) => assert!(expected.is_none() && guard.is_some(), "{place}"),
            Err(error) => assert_eq!(kind(error), expected, "{place}: {error}"),
        }
    }
    let guards = tried.into_iter().filter_map(|tried| tried.ok().flatten());
    release_all(guards.collect()).await;
    let others: Vec<String> = keys
        .iter()
        .filter(|key| **key != keys[7])
        .cloned()
        .collect();
    eventually(LONG, async || all_free(&cluster, &others).await).await;
    let kept: u64 = cluster.node(0).ask(redis::cmd("HLEN").arg(&keys[7])).await;
    assert_eq!(kept, 1, "the user's data are untouched");
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(cluster.urls()).await;
    for _ in 0..2 {
        for node in cluster.nodes() {
            let _: () = node.ask(redis::cmd("SCRIPT").arg("FLUSH")).await;
        }
        release_all(lock_all(&redlock, &keys()).await).await;
    }
    eventually(LONG, async || all_free(&cluster, &keys()).await).await;
    let before = calls(&cluster).await;
    release_all(lock_all(&redlock, &keys()).await).await;
    let used = calls(&cluster).await - before;
    assert!(used < MANY as u64, "batches again: {used} calls");
}

#[tokio::test]
async fn a_full_server_refuses_acquires_and_takes_the_releases_beside_them() {
    let cluster = Cluster::start(1).await;
    let redlock = connect(cluster.urls()).await;
    let held: Vec<String> = (0..MANY).map(|n| format!("held:{n}")).collect();
    let guards = lock_all(&redlock, &held).await;
    let set = |bytes: &str| {
        let mut set = redis::cmd("CONFIG");
        set.arg(&["SET", "maxmemory", bytes]);
        set
    };
    let _: () = cluster.node(0).ask(&set("1")).await;
    // Queued before anything is sent, so in one call.
    drop(guards);
    for tried in try_all(&redlock, &keys()).await {
        let error = tried.expect_err("there is no memory");
        assert_eq!(kind(&error), Some(FaultKind::OutOfMemory), "{error}");
    }
    eventually(LONG, async || all_free(&cluster, &held).await).await;
    assert!(all_free(&cluster, &keys()).await);
    let _: () = cluster.node(0).ask(&set("0")).await;
    release_all(lock_all(&redlock, &keys()).await).await;
}

#[tokio::test]
async fn a_refused_batch_gives_each_command_its_own_cause() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    // Written as if it were a server on its own: a call with keys of several slots is refused as a whole.
    let redlock = redlock::Redlock::builder()
        .nodes([sharded.shard(0).url()])
        .connect()
        .await
        .expect("up");
    let tried = try_all(&redlock, &keys()).await;
    let (mut own, mut others) = (Vec::new(), 0);
    for tried in tried {
        match tried {
            Ok(guard) => own.extend(guard),
            Err(error) => {
                assert_eq!(kind(&error), Some(FaultKind::Moved), "{error}");
                others += 1;
            }
        }
    }
    assert!(!own.is_empty() && others > 0, "{} and {others}", own.len());
    release_all(own).await;
}
