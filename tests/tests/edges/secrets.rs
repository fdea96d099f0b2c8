//! No secret of settings from the environment, of a provider of credentials, or of a builder is shown, whatever the spelling.

use std::error::Error as _;

use proptest::prelude::*;
use redlock::{Builder, Credentials, CredentialsProvider, Error, Redlock, RestartGuard};
use tests::{
    Cluster, Logs, eventually,
    slips::{ADDED, SECRET, looks_like_a_name, slip},
};
use tracing::level_filters::LevelFilter;

use crate::SOON;

/// As operators write lists of nodes, and other settings that may hold one.
const VARIABLES: [(&str, &str); 12] = [
    (
        "REDLOCK_NODES",
        "redis://:{}@10.0.0.1, redis://:{}@10.0.0.2",
    ),
    (
        "REDLOCK_NODES",
        "redis://u:{}@10.0.0.1:6379,rediss://u:{}@10.0.0.2:6380/1",
    ),
    (
        "REDLOCK_NODES",
        "redis+cluster://u:{}@10.0.0.1:7000,10.0.0.2:7000",
    ),
    (
        "REDLOCK_NODES",
        "redis+sentinel://u:{}@10.0.0.1:26379,10.0.0.2/shop?sentinel_password={}, redis://10.0.0.9",
    ),
    (
        "REDLOCK_NODES",
        "unix:///run/a.sock?pass={}\nunix:///run/b.sock?pass={}",
    ),
    ("REDLOCK_PASSWORD", "{}"),
    ("REDLOCK_USERNAME", "{}"),
    ("REDLOCK_TTL", "{}"),
    ("REDLOCK_RESTART_GUARD", "redis://:{}@10.0.0.1"),
    ("REDLOCK_ROOT_CERTIFICATE", "redis://:{}@10.0.0.1"),
    ("REDLOCK_CLIENT_CERTIFICATE", "{},{}"),
    ("REDLOCK_FENCING", "redis://:{}@10.0.0.1"),
];

fn all_of(error: &Error) -> String {
    let mut said = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(cause) = source {
        said += &format!(" {cause} {cause:?}");
        source = cause.source();
    }
    for node in error.node_errors() {
        said += &format!(" {node} {node:?}");
    }
    said
}

/// Everything that is said of the variable before a node is asked anything.
fn said_of(name: &str, value: &str) -> String {
    let logs = Logs::capture(LevelFilter::TRACE);
    let mut said = String::new();
    match Builder::from_vars([(name, value)]) {
        Err(error) => said += &all_of(&error),
        Ok(builder) => {
            let builder = builder.restart_guard(RestartGuard::Off);
            said += &format!("{builder:?} {builder:#?}");
            match builder.connect_lazy() {
                Ok(redlock) => said += &format!("{redlock:?}"),
                Err(error) => said += &all_of(&error),
            }
        }
    }
    said + &logs.text()
}

fn slips() -> impl Strategy<Value = Vec<(usize, Option<char>, bool)>> {
    let with = ADDED.chars().collect::<Vec<_>>();
    let with = proptest::option::of(proptest::sample::select(with));
    proptest::collection::vec((any::<usize>(), with, any::<bool>()), 0..=3)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn f3_no_mistyped_variable_shows_its_password(
        (name, value) in proptest::sample::select(&VARIABLES[..]),
        slips in slips(),
    ) {
        let value = slips.iter().fold(value.replace("{}", SECRET), |value, (at, with, replaces)| {
            slip(&value, *at, *with, *replaces)
        });
        let said = said_of(name, &value);
        // The name of a user is none of the secrets.
        let is_none = name == "REDLOCK_USERNAME" || looks_like_a_name(&value);
        prop_assert!(is_none || !said.contains(SECRET), "{name}={value:?} is shown: {said}");
    }
}

/// A single slip always leaves enough of an address to tell its password from its hosts, paths and names.
#[test]
fn f3_no_variable_with_one_slip_shows_its_password() {
    for (name, value) in VARIABLES {
        if name == "REDLOCK_USERNAME" {
            continue;
        }
        let value = value.replace("{}", SECRET);
        let adds = ADDED
            .chars()
            .flat_map(|with| [(Some(with), false), (Some(with), true)]);
        for (with, replaces) in adds.chain([(None, true)]) {
            for at in 0..value.len() {
                let value = slip(&value, at, with, replaces);
                let said = said_of(name, &value);
                assert!(!said.contains(SECRET), "{name}={value:?} is shown: {said}");
            }
        }
    }
}

/// Logins that change, whatever the provider answers, and servers that refuse them.
#[tokio::test]
async fn f3_a_provider_of_credentials_shows_no_secret() {
    let cluster = Cluster::builder(3).password("s3cret").start().await;
    let logs = Logs::capture(LevelFilter::TRACE);
    let mut said = String::new();
    for (user, password) in [
        ("", SECRET),
        ("locker", SECRET),
        (SECRET, SECRET),
        ("", "s3cret"),
    ] {
        let answers = move |node: String| {
            let given = Credentials::new(user, password);
            let shown = format!("{given:?} {node}");
            assert!(!shown.contains(password), "{shown}");
            async move { Ok::<_, std::io::Error>(given) }
        };
        let provider = CredentialsProvider::new(answers);
        said += &format!("{provider:?}");
        let nodes = cluster.nodes().iter();
        let nodes = nodes.map(|node| format!("redis://{}", node.address()));
        let builder = Redlock::builder().nodes(nodes).credentials(provider);
        said += &format!("{builder:?}");
        let redlock = builder.connect_lazy().expect("three nodes");
        said += &format!("{redlock:?}");
        if password == SECRET {
            let error = redlock.try_lock("a").await.expect_err("a wrong login");
            said += &all_of(&error);
        } else {
            eventually(SOON, async || redlock.try_lock("a").await.is_ok()).await;
        }
        said += &format!("{:?}", redlock.health().await);
    }
    said += &logs.text();
    for secret in [SECRET, "s3cret"] {
        assert!(!said.contains(secret), "{said}");
    }
}
