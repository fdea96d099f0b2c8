//! Credentials that change while the client runs: each living connection logs in again, and no request fails.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, SystemTime},
};

use redlock::{Credentials, CredentialsProvider, FaultKind, NodeAddress, Redlock};
use tests::{Cluster, Logs, eventually};
use tokio::{sync::watch, task::JoinSet};
use tracing::level_filters::LevelFilter;

use crate::support::{BOUND, one_each, patient, user};

/// Tasks that lock and release until they are ended. A failed acquire panics.
struct Load {
    tasks: JoinSet<()>,
    ends: Arc<AtomicBool>,
    cycles: Arc<AtomicUsize>,
}

impl Load {
    fn on(redlock: &Redlock) -> Self {
        let (ends, cycles) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let mut tasks = JoinSet::new();
        for task in 0..8 {
            let (redlock, ends) = (redlock.clone(), Arc::clone(&ends));
            let cycles: Arc<AtomicUsize> = Arc::clone(&cycles);
            tasks.spawn(async move {
                while !ends.load(SeqCst) {
                    let guard = redlock.lock(format!("order:{task}")).await;
                    let released = guard.expect("no acquire fails").release().await;
                    released.expect("no release fails");
                    cycles.fetch_add(1, SeqCst);
                }
            });
        }
        Self {
            tasks,
            ends,
            cycles,
        }
    }

    /// Waits until every task has had time for some more locks.
    async fn goes_on(&self) {
        let before = self.cycles.load(SeqCst);
        eventually(BOUND, async || self.cycles.load(SeqCst) > before + 50).await;
    }

    async fn end(mut self) {
        self.ends.store(true, SeqCst);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no acquire and no release failed");
        }
    }
}

/// The password of the user rotates on the servers. The old one is refused as soon as the connections use the new one.
#[tokio::test]
async fn a_password_that_rotates_under_load() {
    let cluster = Cluster::start(3).await;
    user(&cluster, "locker", &[">secret-0"]).await;
    let (rotate, passwords) = watch::channel(Credentials::new("locker", "secret-0"));
    let provider = CredentialsProvider::watch(passwords);
    let redlock = patient(&cluster).credentials(provider).connect().await;
    let redlock = redlock.expect("three nodes");
    let logins = one_each(&cluster, "locker")
        .await
        .expect("one connection each");
    let load = Load::on(&redlock);
    for round in 1..=5 {
        let (old, new) = (format!("<secret-{}", round - 1), format!("secret-{round}"));
        user(&cluster, "locker", &[&format!(">{new}")]).await;
        rotate.send_replace(Credentials::new("locker", new));
        eventually(BOUND, async || {
            let mut logged_in = true;
            for node in cluster.nodes() {
                logged_in &= node.calls(&["auth"]).await >= round;
            }
            logged_in
        })
        .await;
        user(&cluster, "locker", &[&old]).await;
        load.goes_on().await;
    }
    assert_eq!(
        one_each(&cluster, "locker").await,
        Some(logins),
        "the connections lived on"
    );
    // A new connection uses the last one.
    for node in cluster.nodes() {
        let mut kill = redis::cmd("CLIENT");
        let _: u64 = node.ask(kill.arg("KILL").arg("USER").arg("locker")).await;
        load.goes_on().await;
    }
    load.end().await;
}

/// Each token is a user of its own, which the server removes when it expires: that closes the connections that still use it.
#[tokio::test]
async fn tokens_are_renewed_before_they_expire() {
    const LIFETIME: Duration = Duration::from_secs(4);
    let cluster = Arc::new(Cluster::start(3).await);
    let issued = Arc::new(AtomicUsize::new(0));
    let provider = {
        let (cluster, issued) = (Arc::clone(&cluster), Arc::clone(&issued));
        CredentialsProvider::new(move |_| {
            let (cluster, issued) = (Arc::clone(&cluster), Arc::clone(&issued));
            async move {
                let number = issued.fetch_add(1, SeqCst);
                let (name, secret) = (format!("token-{number}"), format!("secret-{number}"));
                user(&cluster, &name, &[&format!(">{secret}")]).await;
                let credentials = Credentials::new(&name, secret).expires_in(LIFETIME);
                tokio::spawn(async move {
                    tokio::time::sleep(LIFETIME).await;
                    for node in cluster.nodes() {
                        let mut remove = redis::cmd("ACL");
                        let _: u64 = node.ask(remove.arg("DELUSER").arg(name.as_str())).await;
                    }
                });
                Ok::<_, std::io::Error>(credentials)
            }
        })
    };
    let redlock = patient(&cluster).credentials(provider).connect().await;
    let redlock = redlock.expect("three nodes");
    let ids = async || {
        let mut all = Vec::new();
        for node in cluster.nodes() {
            let list: String = node.ask(redis::cmd("CLIENT").arg("LIST")).await;
            let ours = list.lines().filter(|line| line.contains("user=token-"));
            let id = |line: &str| line.split(' ').next().map(str::to_owned);
            all.push(ours.filter_map(id).collect::<Vec<_>>());
        }
        all
    };
    let before = ids().await;
    assert!(before.iter().all(|node| node.len() == 1), "{before:?}");
    let load = Load::on(&redlock);
    // Three nodes, and two renewals of each at least.
    eventually(BOUND, async || issued.load(SeqCst) >= 9).await;
    load.goes_on().await;
    assert_eq!(ids().await, before, "the connections lived on");
    load.end().await;
}

#[tokio::test]
async fn all_connections_to_a_node_share_a_call() {
    let cluster = Cluster::start(3).await;
    user(&cluster, "locker", &[">secret"]).await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let provider = {
        let asked = Arc::clone(&asked);
        CredentialsProvider::new(move |node| {
            asked.lock().expect("a list").push(node);
            async { Ok::<_, std::io::Error>(Credentials::new("locker", "secret")) }
        })
    };
    let redlock = patient(&cluster).credentials(provider).connect().await;
    let redlock = redlock.expect("three nodes");
    for node in cluster.nodes() {
        let mut kill = redis::cmd("CLIENT");
        let _: u64 = node.ask(kill.arg("KILL").arg("USER").arg("locker")).await;
    }
    eventually(BOUND, async || one_each(&cluster, "locker").await.is_some()).await;
    let guard = redlock.lock("k").await.expect("free");
    guard.release().await.expect("released");
    let mut asked = asked.lock().expect("a list").clone();
    asked.sort();
    let mut nodes: Vec<String> = (cluster.nodes().iter())
        .map(|node| node.address().to_string())
        .collect();
    nodes.sort();
    assert_eq!(asked, nodes);
}

#[tokio::test]
async fn a_provider_that_fails_is_named() {
    let cluster = Cluster::start(1).await;
    let name = cluster.node(0).address().to_string();
    let failing = CredentialsProvider::new(async |_| {
        Err::<Credentials, _>(std::io::Error::other("no token service"))
    });
    let expired = CredentialsProvider::new(async |_| {
        Ok::<_, std::io::Error>(Credentials::password("old").expires_in(Duration::ZERO))
    });
    let past = CredentialsProvider::new(async |_| {
        let yesterday = SystemTime::now() - Duration::from_secs(86_400);
        Ok::<_, std::io::Error>(Credentials::password("old").expires_at(yesterday))
    });
    for (provider, words) in [
        (failing, "no token service"),
        (expired, "expired already"),
        (past, "expired already"),
    ] {
        let error = patient(&cluster).credentials(provider).connect().await;
        let error = error.expect_err("no credentials");
        let cause = error
            .node_errors()
            .iter()
            .find(|cause| cause.node() == name);
        let cause = cause.expect("the node");
        assert_eq!(cause.kind(), FaultKind::Authentication, "{error}");
        for words in ["provider", words] {
            assert!(cause.cause().contains(words), "{error}");
        }
    }
}

/// If the server refuses new credentials, the connections stay as they are, and the login is sent again.
#[tokio::test]
async fn refused_credentials_are_sent_again() {
    let logs = Logs::capture(LevelFilter::DEBUG);
    let cluster = Cluster::start(3).await;
    user(&cluster, "locker", &[">first-secret"]).await;
    let (rotate, passwords) = watch::channel(Credentials::new("locker", "first-secret"));
    let provider = CredentialsProvider::watch(passwords);
    let redlock = patient(&cluster).credentials(provider).connect().await;
    let redlock = redlock.expect("three nodes");
    let logins = one_each(&cluster, "locker").await;
    rotate.send_replace(Credentials::new("locker", "second-secret"));
    eventually(BOUND, async || {
        logs.lines_with("new credentials refused").len() >= 3
    })
    .await;
    let guard = redlock.lock("k").await.expect("the first login serves");
    guard.release().await.expect("released");
    // The servers get the new password late.
    user(&cluster, "locker", &[">second-secret"]).await;
    eventually(BOUND, async || {
        logs.lines_with("logged in again").len() >= 3
    })
    .await;
    assert_eq!(one_each(&cluster, "locker").await, logins);
    let shown = format!("{} {redlock:?} {rotate:?}", logs.text());
    for secret in ["first-secret", "second-secret"] {
        assert!(!shown.contains(secret), "{secret} is shown: {shown}");
    }
}

/// A connection whose login was refused asks the provider again.
#[tokio::test]
async fn a_refused_login_is_replaced() {
    let cluster = Cluster::start(1).await;
    user(&cluster, "locker", &[">right"]).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let provider = {
        let calls = Arc::clone(&calls);
        CredentialsProvider::new(move |_| {
            let is_first = calls.fetch_add(1, SeqCst) == 0;
            let secret = if is_first { "wrong-secret" } else { "right" };
            async move { Ok::<_, std::io::Error>(Credentials::new("locker", secret)) }
        })
    };
    let builder = patient(&cluster).credentials(provider);
    let error = builder.clone().connect().await.expect_err("a wrong secret");
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("WRONGPASS"), "{shown}");
    assert!(!shown.contains("wrong-secret"), "{shown}");
    builder.connect().await.expect("the second answer");

    // Also within one client.
    calls.store(0, SeqCst);
    let provider = {
        let calls = Arc::clone(&calls);
        CredentialsProvider::new(move |_| {
            let is_first = calls.fetch_add(1, SeqCst) == 0;
            let secret = if is_first { "wrong-secret" } else { "right" };
            async move { Ok::<_, std::io::Error>(Credentials::new("locker", secret)) }
        })
    };
    let lazy = patient(&cluster).credentials(provider).connect_lazy();
    let lazy = lazy.expect("nothing is asked yet");
    eventually(BOUND, async || lazy.lock("k").await.is_ok()).await;
}

#[tokio::test]
async fn a_node_may_have_its_own() {
    let cluster = Cluster::start(3).await;
    user(&cluster, "locker", &[">shared", ">own"]).await;
    let node = |index: usize| format!("redis://{}", cluster.node(index).address());
    let fixed = |secret: &'static str| {
        CredentialsProvider::new(move |_| async move {
            Ok::<_, std::io::Error>(Credentials::new("locker", secret))
        })
    };
    let with_login = format!("redis://locker:own@{}", cluster.node(2).address());
    let redlock = Redlock::builder()
        .node(NodeAddress::from(node(0)).credentials(fixed("own")))
        .node(node(1))
        .node(with_login.as_str())
        .credentials(fixed("shared"));
    let redlock = redlock.connect().await.expect("three nodes");
    assert!(
        redlock
            .health()
            .await
            .iter()
            .all(|node| node.latency.is_some())
    );
    assert!(one_each(&cluster, "locker").await.is_some());

    let two = NodeAddress::from(with_login).credentials(fixed("own"));
    let error = Redlock::connect([two]).await.expect_err("two logins");
    assert!(error.is_invalid(), "{error}");
    assert!(error.to_string().contains("provider"), "{error}");
    let two = Redlock::builder()
        .node(node(0))
        .password("own")
        .credentials(fixed("own"));
    let error = two.connect_lazy().expect_err("two logins");
    assert!(error.to_string().contains("set one of them"), "{error}");
}

/// Tokens state the instant of their end. One whose end is far away is as good as one without an end.
#[tokio::test]
async fn credentials_that_end_at_an_instant_are_used_until_then() {
    let cluster = Cluster::start(3).await;
    user(&cluster, "locker", &[">of-today"]).await;
    let provider = CredentialsProvider::new(async |_| {
        let tomorrow = SystemTime::now() + Duration::from_secs(86_400);
        Ok::<_, std::io::Error>(Credentials::new("locker", "of-today").expires_at(tomorrow))
    });
    let redlock = patient(&cluster).credentials(provider).connect().await;
    let redlock = redlock.expect("three nodes");
    let guard = redlock.lock("order:1").await.expect("free");
    guard.release().await.expect("three nodes");
    assert!(one_each(&cluster, "locker").await.is_some());
}
