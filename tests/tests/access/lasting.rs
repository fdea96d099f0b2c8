//! Refusals that stay until somebody mends them: a request that would wait fails at once, and its error says what to mend.

use std::time::{Duration, Instant};

use redlock::{Credentials, CredentialsProvider, Error, FaultKind, Redlock, RestartGuard};
use tests::{Cluster, Logs, eventually, within};
use tokio::sync::watch;
use tracing::level_filters::LevelFilter;

use crate::support::{BOUND, patient, user};

/// Far longer than any test takes.
const WAIT: Duration = Duration::from_secs(3_600);

/// Long enough for a lasting refusal to be reported.
const MANY_ATTEMPTS: Duration = Duration::from_secs(2);

/// The user may do everything but what the rules take away, on these nodes.
async fn permit(cluster: &Cluster, nodes: &[usize], rules: &[&str]) {
    for node in nodes {
        let mut command = redis::cmd("ACL");
        command.arg("SETUSER").arg("locker");
        command.arg(&["reset", "on", ">secret", "~*", "&*", "+@all"]);
        let () = cluster.node(*node).ask(command.arg(rules)).await;
    }
}

async fn locker(cluster: &Cluster) -> Redlock {
    let builder = patient(cluster).username("locker").password("secret");
    builder.connect_lazy().expect("valid settings")
}

/// The error of a request that would wait for much longer than the test.
async fn refused(request: impl IntoFuture<Output = redlock::Result<impl Sized>>) -> Error {
    let answer = within(BOUND, request.into_future()).await;
    let error = answer.err().expect("refused");
    assert!(error.is_no_quorum(), "{error}");
    error
}

#[track_caller]
fn says(error: &Error, kind: FaultKind, words: &[&str]) {
    let of_kind = |node: &&redlock::NodeError| node.kind() == kind;
    assert!(
        error.node_errors().iter().filter(of_kind).count() >= 2,
        "{error:?}"
    );
    let text = error.to_string();
    assert!(words.iter().all(|word| text.contains(word)), "{text}");
}

#[tokio::test]
async fn a_missing_permission_is_reported_at_once() {
    let cluster = Cluster::start(3).await;
    for (rules, words) in [
        (&["-eval", "-evalsha"][..], ["eval", "permit it"]),
        (&["-set"], ["set", "user"]),
        (
            &["resetkeys", "~other:*"],
            ["access", "the key and its fence"],
        ),
    ] {
        for nodes in [&[0, 1, 2][..], &[1, 2]] {
            permit(&cluster, &[0, 1, 2], &[]).await;
            permit(&cluster, nodes, rules).await;
            let redlock = locker(&cluster).await;
            let error = refused(redlock.lock("k").wait(WAIT)).await;
            says(&error, FaultKind::Permission, &words);
        }
    }
}

#[tokio::test]
async fn a_missing_permission_of_another_kind_of_lock() {
    let cluster = Cluster::start(3).await;
    permit(&cluster, &[0, 1, 2], &["-zadd", "-set"]).await;
    let redlock = locker(&cluster).await;
    let catalog = redlock.rwlock("catalog");
    let error = refused(catalog.read().wait(WAIT)).await;
    says(&error, FaultKind::Permission, &[]);
    let error = refused(catalog.write().wait(WAIT)).await;
    says(&error, FaultKind::Permission, &[]);
    let error = refused(redlock.semaphore("export", 3).acquire().wait(WAIT)).await;
    says(&error, FaultKind::Permission, &["set"]);
    let error = refused(redlock.lock_all(["a", "b"]).wait(WAIT)).await;
    says(&error, FaultKind::Permission, &["set"]);
}

/// All who wait for the key learn it from the one who asked.
#[tokio::test]
async fn a_thousand_waiters_are_refused_at_once() {
    let cluster = Cluster::start(3).await;
    permit(&cluster, &[0, 1, 2], &["-set"]).await;
    let redlock = locker(&cluster).await;
    let began = Instant::now();
    drop(refused(redlock.lock("k").wait(WAIT)).await);
    let alone = began.elapsed();
    let began = Instant::now();
    let waiters = (0..1_000).map(|_| refused(redlock.lock("k").wait(WAIT)));
    for error in futures_util::future::join_all(waiters).await {
        says(&error, FaultKind::Permission, &["set"]);
    }
    let together = began.elapsed();
    assert!(together < alone * 200, "{together:?}, one alone {alone:?}");
}

#[tokio::test]
async fn a_wrong_password_is_reported_at_once() {
    let cluster = Cluster::start(3).await;
    user(&cluster, "locker", &[">another"]).await;
    let redlock = locker(&cluster).await;
    let error = refused(redlock.lock("k").wait(WAIT)).await;
    says(
        &error,
        FaultKind::Authentication,
        &["WRONGPASS", "password"],
    );
}

#[tokio::test]
async fn a_missing_command_is_reported_at_once() {
    for command in ["EVAL", "HELLO"] {
        let servers = Cluster::builder(3).arg(["--rename-command", command, ""]);
        let servers = servers.arg(["--rename-command", "EVALSHA", ""]);
        let cluster = servers.start().await;
        let redlock = patient(&cluster).connect_lazy().expect("valid settings");
        let error = refused(redlock.lock("k").wait(WAIT)).await;
        says(&error, FaultKind::Unsupported, &[command, "6.2"]);
    }
}

/// What a minority refuses is none of the user's business.
#[tokio::test]
async fn a_minority_may_refuse() {
    let cluster = Cluster::start(3).await;
    permit(&cluster, &[0, 1, 2], &[]).await;
    permit(&cluster, &[2], &["-set"]).await;
    let redlock = locker(&cluster).await;
    let guard = redlock.lock("k").wait(WAIT).await.expect("two of three");
    guard.release().await.expect("released");
}

/// Nodes that are down may come back, so they are waited for, beside two that refuse for good.
#[tokio::test]
async fn nodes_that_are_down_are_waited_for() {
    // They know the user from their first moment, also after the restart.
    let user = ["--user", "locker", "on", ">secret", "~*", "&*", "+@all"];
    let cluster = Cluster::builder(5).arg(user).start().await;
    permit(&cluster, &[0, 1], &["-set"]).await;
    for node in [3, 4] {
        cluster.node(node).kill();
    }
    let builder = patient(&cluster).username("locker").password("secret");
    let redlock = builder.restart_guard(RestartGuard::Off).connect_lazy();
    let redlock = redlock.expect("valid settings");
    let waiting = tokio::spawn(redlock.lock("k").wait(WAIT).into_future());
    tokio::time::sleep(MANY_ATTEMPTS).await;
    assert!(!waiting.is_finished());
    for node in [3, 4] {
        cluster.node(node).start().await;
    }
    let waited = within(BOUND, waiting).await.expect("no panic");
    let guard = waited.expect("three of five");
    guard.release().await.expect("released");
}

/// The next credentials of a provider may be the right ones.
#[tokio::test]
async fn other_credentials_are_waited_for() {
    let cluster = Cluster::start(3).await;
    user(&cluster, "locker", &[">right"]).await;
    let (rotate, passwords) = watch::channel(Credentials::new("locker", "wrong"));
    let provider = CredentialsProvider::watch(passwords);
    let redlock = patient(&cluster).credentials(provider);
    let redlock = redlock.connect_lazy().expect("valid settings");
    let waiting = tokio::spawn(redlock.lock("k").wait(WAIT).into_future());
    tokio::time::sleep(MANY_ATTEMPTS).await;
    assert!(!waiting.is_finished());
    rotate.send_replace(Credentials::new("locker", "right"));
    let waited = within(BOUND, waiting).await.expect("no panic");
    waited.expect("free").release().await.expect("released");
}

/// An election has no end to its wait, so a mistake of an operator must not end it. A warning says why nobody leads.
#[tokio::test]
async fn a_campaign_continues() {
    let cluster = Cluster::start(3).await;
    permit(&cluster, &[0, 1, 2], &["-set"]).await;
    let redlock = locker(&cluster).await;
    let logs = Logs::capture(LevelFilter::WARN);
    let election = redlock.election("scheduler");
    let campaign = tokio::spawn(async move { election.campaign().await });
    eventually(BOUND, async || {
        let said = logs.lines_with("can lead");
        said.iter().any(|line| line.contains("set"))
    })
    .await;
    permit(&cluster, &[0, 1, 2], &[]).await;
    let term = within(BOUND, campaign).await.expect("no panic");
    term.expect("leads").resign().await.expect("resigned");
    assert_eq!(logs.lines_with("can lead").len(), 1, "{}", logs.text());
}
