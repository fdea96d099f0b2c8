//! F7: from `info` on no event names a key, an owner or a value of the user, whatever fails.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use redlock::{Redlock, memory, redlock};
use redlock_tower::replay::{Begun, ReplayStore, RequestBody, StoreError};
use redlock_tower::{KeyExtractor as _, LockLayer, RedlockLayer, key};
use tests::{Cluster, Logs, eventually, within};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tracing::level_filters::LevelFilter;

const BOUND: Duration = Duration::from_secs(30);
/// A text that is part of every key, and of every value of the user.
const SECRET: &str = "jane.doe";

/// The captured events contain something of the scenario, and no secret.
fn assert_keyless(logs: &Logs, of: &str, events: &[&str]) {
    let text = logs.text();
    let leaks: Vec<&str> = text.lines().filter(|line| line.contains(SECRET)).collect();
    assert!(leaks.is_empty(), "{of}: {leaks:#?}");
    for event in events {
        assert!(text.contains(event), "{of}: no `{event}` in\n{text}");
    }
}

/// One node that `spoil` was sent to, and a client of it.
async fn spoiled(spoil: &redis::Cmd) -> (Cluster, Redlock) {
    let cluster = Cluster::start(1).await;
    let redlock = Redlock::connect(cluster.urls()).await.unwrap();
    let _: redis::Value = cluster.node(0).ask(spoil).await;
    (cluster, redlock)
}

/// The layer around a handler that answers at once.
async fn through_the_layer(redlock: &Redlock, fail_open: bool) {
    let layer = RedlockLayer::new(redlock.clone(), key::header("x-user-id")).namespace("n");
    let layer = layer.wait(Duration::from_millis(300));
    let layer = if fail_open { layer.fail_open() } else { layer };
    let service = layer.layer(service_fn(async |_: Request<Body>| {
        Ok::<_, Infallible>(Response::new(Body::empty()))
    }));
    let request = Request::post("/").header("x-user-id", SECRET);
    let _ = service.oneshot(request.body(Body::empty()).unwrap()).await;
}

#[redlock(key = "n:{id}", ttl = "5s", lock = *locks, on_busy = skip, wait = "300ms")]
async fn skipping(locks: &Redlock, id: &str) {
    let _ = id;
}

#[redlock(key = "n:{id}", ttl = "5s", lock = *locks, fail_open, wait = "300ms")]
async fn open(locks: &Redlock, id: &str) -> Result<(), redlock::Error> {
    let _ = id;
    Ok(())
}

/// All ways to acquire the lock `n:jane.doe`, whose nodes have no vote. The errors are ignored: the test is about the
/// events.
async fn all_paths(redlock: &Redlock) {
    let name = format!("n:{SECRET}");
    let request = || redlock.lock(&name).wait(Duration::from_millis(300));
    let error = request().await.unwrap_err();
    // As users log it, too.
    tracing::warn!(error = %error.without_key(), "of the user");
    let _ = redlock.try_lock(&name).await;
    let _ = request().run(async |_| ()).await;
    let _ = redlock
        .lock_all([&name])
        .wait(Duration::from_millis(300))
        .await;
    let _ = redlock.holder(&name).await;
    through_the_layer(redlock, false).await;
    through_the_layer(redlock, true).await;
    skipping(redlock, SECRET).await;
    let _ = open(redlock, SECRET).await;
    let _ = redlock.force_release(&name).await;
}

#[tokio::test]
async fn f7_no_event_names_the_key_of_a_foreign_value() {
    let name = format!("n:{SECRET}");
    let fence = format!("{{n:{SECRET}}}{{}}:fence");
    let mut cases = [
        ("no expiry", redis::cmd("SET"), vec![&name, SECRET]),
        ("wrong type", redis::cmd("LPUSH"), vec![&name, SECRET]),
        (
            "wrong type of the fence",
            redis::cmd("LPUSH"),
            vec![&fence, SECRET],
        ),
        ("bad fence", redis::cmd("SET"), vec![&fence, SECRET]),
        (
            "huge fence",
            redis::cmd("SET"),
            vec![&fence, "9007199254740993"],
        ),
    ];
    for (of, command, words) in &mut cases {
        command.arg(&words[..]);
        let logs = Logs::capture(LevelFilter::INFO);
        let (_cluster, redlock) = spoiled(command).await;
        all_paths(&redlock).await;
        assert_keyless(&logs, of, &["did not run", "of the user"]);
    }
}

#[tokio::test]
async fn f7_no_event_names_the_key_if_the_server_refuses() {
    let user = |rules: &str| {
        let mut command = redis::cmd("ACL");
        command.arg(&["SETUSER", "default"][..]);
        command.arg(rules.split(' ').collect::<Vec<_>>());
        command
    };
    let mut full = redis::cmd("CONFIG");
    full.arg(&["SET", "maxmemory", "1"]);
    let cases = [
        ("other keys only", user("resetkeys ~other*")),
        ("no scripts", user("-eval -evalsha -script -fcall")),
        ("no set", user("-set")),
        ("full", full),
    ];
    for (of, spoil) in &cases {
        let logs = Logs::capture(LevelFilter::INFO);
        let (_cluster, redlock) = spoiled(spoil).await;
        all_paths(&redlock).await;
        assert_keyless(&logs, of, &["a request was rejected", "of the user"]);
    }
}

#[tokio::test]
async fn f7_no_event_names_the_key_if_commands_are_renamed() {
    // The server repeats the arguments of a command that it does not know.
    let cluster = Cluster::builder(1)
        .config("rename-command EVALSHA \"\"\nrename-command EVAL \"\"\nrename-command SET \"\"")
        .start()
        .await;
    let logs = Logs::capture(LevelFilter::INFO);
    let redlock = Redlock::builder().nodes(cluster.urls()).connect_lazy();
    all_paths(&redlock.unwrap()).await;
    assert_keyless(&logs, "renamed", &["a request was rejected"]);
}

#[tokio::test]
async fn f7_a_fence_beyond_the_skew_bound_is_reported_without_its_key() {
    let logs = Logs::capture(LevelFilter::INFO);
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.unwrap();
    let name = format!("n:{SECRET}");
    let first = redlock.lock(&name).await.unwrap();
    let beyond = first.token().get() * 2;
    first.release().await.unwrap();
    let fence = format!("{{n:{SECRET}}}{{}}:fence");
    for node in cluster.nodes() {
        let () = node.ask(redis::cmd("SET").arg(&fence).arg(beyond)).await;
    }
    let _guard = redlock.lock(&name).await;
    assert_keyless(&logs, "fence", &["beyond"]);
}

#[tokio::test]
async fn f7_no_event_names_the_key_or_the_owner_of_a_lock_that_is_lost() {
    let logs = Logs::capture(LevelFilter::INFO);
    let cluster = memory::Nodes::new(3);
    let redlock = Redlock::connect(cluster.nodes()).await.unwrap();
    let name = format!("n:{SECRET}");
    let mut owners = Vec::new();
    for end in [
        "deleted",
        "forced",
        "held for too long",
        "expired",
        "unconfirmed",
    ] {
        let request = redlock.lock(&name).ttl(Duration::from_millis(600));
        let request = match end {
            "held for too long" => request.max_hold(Duration::from_millis(50)),
            "expired" => request.keep_alive(false),
            _ => request,
        };
        let guard = within(BOUND, request).await.unwrap();
        owners.push(cluster.node(0).get(&name).unwrap());
        match end {
            "deleted" => cluster
                .nodes()
                .iter()
                .for_each(|node| assert!(node.delete(&name))),
            "forced" => redlock.force_release(&name).await.unwrap(),
            "unconfirmed" => cluster.nodes().iter().for_each(memory::Node::stop),
            _ => {}
        }
        let ran = within(
            BOUND,
            guard.run(async {
                if end != "unconfirmed" {
                    pending::<()>().await;
                }
            }),
        );
        let _ = ran.await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Undelivered releases are reported as well.
    redlock.close().await;
    assert_keyless(&logs, "lost", &["lock lost", "node down", "undelivered"]);
    for owner in owners {
        assert!(!logs.text().contains(&owner), "{owner}: {}", logs.text());
    }
}

/// A store whose errors name what it was asked for, as those of a database do.
#[derive(Clone, Copy, Debug)]
struct Failing {
    begins: bool,
}

impl ReplayStore for Failing {
    async fn begin(
        &self,
        key: &str,
        _: redlock::FencingToken,
        _: Duration,
    ) -> Result<Begun, StoreError> {
        if self.begins {
            return Ok(Begun::Fresh);
        }
        Err(StoreError::new(format!(
            "no row for {key}, nor for {SECRET}"
        )))
    }

    async fn finish(
        &self,
        key: &str,
        _: redlock::FencingToken,
        _: Vec<u8>,
        _: Duration,
    ) -> Result<bool, StoreError> {
        Err(StoreError::new(format!(
            "no row for {key}, nor for {SECRET}"
        )))
    }
}

#[tokio::test]
async fn f7_no_event_repeats_the_error_of_a_replay_store() {
    let logs = Logs::capture(LevelFilter::INFO);
    let redlock = Redlock::connect(memory::Nodes::new(3).nodes())
        .await
        .unwrap();
    for (begins, fail_open) in [(false, false), (false, true), (true, false)] {
        let by_user = key::identity(key::header("x-user-id"));
        let layer = RedlockLayer::new(redlock.clone(), by_user.and(key::idempotency_key()));
        let layer = if fail_open { layer.fail_open() } else { layer };
        let service = layer
            .replay(Failing { begins }, Duration::from_secs(60))
            .layer(service_fn(|_: Request<RequestBody<Body>>| async {
                Ok::<_, Infallible>(Response::new(Body::empty()))
            }));
        let request = Request::post("/")
            .header("x-user-id", SECRET)
            .header("idempotency-key", SECRET)
            .body(Body::from(SECRET));
        let _ = service.oneshot(request.unwrap()).await;
    }
    let told = [
        "a request runs unrecorded",
        "a request is rejected",
        "before it is recorded",
    ];
    assert_keyless(&logs, "store", &told);
}

#[tokio::test]
async fn f7_no_event_of_a_misconfigured_layer_names_the_key() {
    let logs = Logs::capture(LevelFilter::INFO);
    let cluster = memory::Nodes::new(3);
    let redlock = Redlock::connect(cluster.nodes()).await.unwrap();
    // Misconfigured: a window that no node accepts, and a key with broken braces.
    let wrong = LockLayer::new(redlock.clone(), |key: &String| Some(format!("}}{key}")));
    let service = wrong.layer(service_fn(async |_: String| Ok::<_, Infallible>(())));
    let _ = service.oneshot(SECRET.to_owned()).await;
    cluster.nodes().iter().for_each(memory::Node::stop);
    all_paths(&redlock).await;
    eventually(BOUND, async || logs.text().contains("node down")).await;
    assert_keyless(&logs, "layers", &["a request was rejected"]);
}
