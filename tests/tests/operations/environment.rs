//! Settings from `REDLOCK_*` variables.

use redlock::{Builder, Redlock};
use tests::Cluster;

fn refused(name: &str, value: &str) -> String {
    let error = Builder::from_vars([(name, value)]).expect_err("a wrong value");
    assert!(error.is_invalid(), "{error}");
    error.to_string()
}

#[tokio::test]
async fn a_client_is_configured_by_environment_variables() {
    let cluster = Cluster::builder(3).password("s3cret/word").start().await;
    let nodes = cluster
        .nodes()
        .iter()
        .map(|node| format!("redis://{}", node.address()));
    let nodes = nodes.collect::<Vec<_>>().join(", ");
    let variables = [
        ("REDLOCK_NODES", nodes.as_str()),
        ("REDLOCK_PASSWORD", "s3cret/word"),
        ("REDLOCK_NAMESPACE", "shop:"),
        ("REDLOCK_LABEL", "api-7"),
        ("REDLOCK_TTL", "1m"),
        ("REDLOCK_WAIT", "0s"),
        ("REDLOCK_NODE_TIMEOUT", "5s"),
        ("REDLOCK_MAX_TTL", "2m"),
        ("REDLOCK_CLOCK_SKEW", "4s"),
        ("REDLOCK_FENCE_RETENTION", "10m"),
        ("REDLOCK_FENCING", "true"),
        ("REDLOCK_RENEWAL_THREAD", "false"),
        ("REDLOCK_RESTART_GUARD", "observed"),
        ("REDLOCK_SOMETHING_ELSE", "left alone"),
        ("REDLOCK_USERNAME", ""),
        ("PATH", "/bin"),
    ];
    let builder = Builder::from_vars(variables).expect("settings");
    assert!(!format!("{builder:?}").contains("s3cret"), "{builder:?}");
    let redlock: Redlock = builder.connect().await.expect("three nodes");
    let guard = redlock.lock("invoice:42").await.expect("free");
    assert_eq!(guard.key(), "shop:invoice:42");
    assert!(guard.owner().ends_with(":api-7"), "{}", guard.owner());
    assert!(guard.remaining().as_secs() > 30, "{:?}", guard.remaining());
    // A wait of nothing is one look.
    assert!(
        redlock
            .lock("invoice:42")
            .await
            .expect_err("held")
            .is_busy()
    );
}

#[test]
fn a_wrong_value_is_named_with_its_variable_and_the_remedy() {
    for (name, value, needles) in [
        ("REDLOCK_TTL", "10", ["not a duration", "250ms"]),
        ("REDLOCK_WAIT", "soon", ["not a duration", "10s"]),
        (
            "REDLOCK_FENCING",
            "maybe",
            ["neither `true`", "nor `false`"],
        ),
        (
            "REDLOCK_RESTART_GUARD",
            "none",
            ["not a restart guard", "`strict`"],
        ),
        (
            "REDLOCK_ROOT_CERTIFICATE",
            "/no/such.pem",
            ["the certificate cannot be read", "No such file"],
        ),
        (
            "REDLOCK_CLIENT_CERTIFICATE",
            "/one.pem",
            ["write two", "private key"],
        ),
    ] {
        let text = refused(name, value);
        assert!(text.starts_with(&format!("{name}: ")), "{text}");
        for needle in needles {
            assert!(text.contains(needle), "{text}: {needle}");
        }
    }
}

#[test]
fn a_secret_in_the_wrong_variable_is_not_in_the_error() {
    for name in [
        "REDLOCK_TTL",
        "REDLOCK_WAIT",
        "REDLOCK_NODE_TIMEOUT",
        "REDLOCK_MAX_TTL",
        "REDLOCK_CLOCK_SKEW",
        "REDLOCK_FENCE_RETENTION",
        "REDLOCK_FENCING",
        "REDLOCK_RENEWAL_THREAD",
        "REDLOCK_RESTART_GUARD",
        "REDLOCK_ROOT_CERTIFICATE",
        "REDLOCK_CLIENT_CERTIFICATE",
    ] {
        for secret in [
            "redis://:s3cret@a",
            "s3cret",
            "99999999999999999999s3cret",
            "s3cret,s3cret",
        ] {
            let text = refused(name, secret);
            assert!(text.starts_with(&format!("{name}: ")), "{text}");
            assert!(!text.contains("s3cret") && !text.contains("999"), "{text}");
        }
    }
}

#[test]
fn a_certificate_or_key_in_place_of_its_path_is_not_in_the_error() {
    let key = "-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----";
    let file = tempfile::NamedTempFile::new().expect("a file");
    let pair = format!("{},{key}", file.path().display());
    for (name, value) in [
        ("REDLOCK_CLIENT_CERTIFICATE", pair.as_str()),
        ("REDLOCK_CLIENT_CERTIFICATE", &format!("{key},{key}")),
        ("REDLOCK_ROOT_CERTIFICATE", key),
    ] {
        let text = refused(name, value);
        let remedy = "itself: write it to a file, and set the path";
        assert!(text.contains(remedy) && !text.contains("s3cret"), "{text}");
    }
}

#[test]
fn an_error_of_the_builder_names_the_setting() {
    let connect = |variables: &[(&str, &str)]| {
        let builder = Builder::from_vars(variables.iter().copied()).expect("settings");
        builder
            .connect_lazy()
            .expect_err("a wrong setting")
            .to_string()
    };
    assert!(connect(&[]).contains("no nodes were given"));
    let secret = connect(&[("REDLOCK_NODES", "redis://:s3cret@h:port")]);
    assert!(
        secret.contains("no number as its port") && !secret.contains("s3cret"),
        "{secret}"
    );
    let label = connect(&[("REDLOCK_NODES", "redis://h"), ("REDLOCK_LABEL", "a b")]);
    assert!(label.contains("label `a b`"), "{label}");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text_is_named() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
    let value = OsStr::from_bytes(b"\xff");
    let error = Builder::from_vars([("REDLOCK_PASSWORD", value)]).expect_err("no text");
    assert_eq!(
        error.to_string(),
        "REDLOCK_PASSWORD: holds bytes that are not UTF-8"
    );
}

/// The environment of a process cannot be changed safely while it runs, so this test runs itself once more, with another one.
#[tokio::test]
async fn a_process_reads_its_own_environment() {
    const SELF: &str = "environment::a_process_reads_its_own_environment";
    const NAMESPACE: &str = "of-the-environment:";
    if std::env::var("REDLOCK_NAMESPACE").is_ok_and(|namespace| namespace == NAMESPACE) {
        let redlock = Builder::from_env().expect("settings").connect().await;
        let guard = redlock.expect("three nodes").lock("invoice:42").await;
        // It stays locked, for the outer test to see.
        drop(guard.expect("free").detach().expect("a ticket"));
        return;
    }
    let cluster = Cluster::start(3).await;
    let itself = std::env::current_exe().expect("this program");
    let mut itself = tokio::process::Command::new(itself);
    itself
        .args(["--exact", SELF, "--nocapture"])
        .env("REDLOCK_NODES", cluster.urls().join(","))
        .env("REDLOCK_NAMESPACE", NAMESPACE)
        .env("REDLOCK_TTL", "1m")
        .kill_on_drop(true);
    let output = itself.output().await.expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
    let key = format!("{NAMESPACE}invoice:42");
    assert!(cluster.locked_on(&key).await.len() >= 2, "a quorum");
}
