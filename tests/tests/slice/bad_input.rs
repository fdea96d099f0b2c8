//! What a user can get wrong is a typed error at once, which names the value and the remedy. Never a panic.

use std::time::Duration;

use redlock::{Error, ErrorKind, Redlock, memory};

fn memory_nodes() -> Redlock {
    Redlock::connect_lazy(memory::Nodes::new(3).nodes()).expect("three nodes")
}

/// Each of `words` is in the message.
fn assert_says(error: &Error, kind: ErrorKind, words: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.is_invalid(), "{error}");
    let message = error.to_string();
    for word in words {
        assert!(message.contains(word), "{message:?} does not say {word:?}");
    }
    assert!(
        !message.ends_with('.') && message.starts_with(|c: char| !c.is_uppercase()),
        "{message:?}"
    );
}

#[tokio::test]
async fn no_nodes() {
    let none: [&str; 0] = [];
    assert_says(
        &Redlock::connect(none).await.expect_err("no nodes"),
        ErrorKind::InvalidNodes,
        &["node"],
    );
    assert_says(
        &Redlock::connect_lazy(none).expect_err("no nodes"),
        ErrorKind::InvalidNodes,
        &["node"],
    );
    assert_says(
        &Redlock::builder().connect_lazy().expect_err("no nodes"),
        ErrorKind::InvalidNodes,
        &["node"],
    );
}

#[tokio::test]
async fn invalid_addresses() {
    for bad in [
        "",
        "nonsense",
        "http://127.0.0.1:6379",
        "redis://",
        "redis://127.0.0.1:notaport",
        "redis://host:99999",
    ] {
        let error =
            Redlock::connect_lazy([bad, "redis://127.0.0.1:7002", "redis://127.0.0.1:7003"])
                .expect_err(&format!("{bad:?} is not an address"));
        // Which one, and how an address looks; nothing of it, since any part may be the password.
        assert_says(
            &error,
            ErrorKind::InvalidNodes,
            &["node 1 of 3", "redis://"],
        );
    }
}

#[tokio::test]
async fn an_error_does_not_show_the_password() {
    let error =
        Redlock::connect_lazy(["redis://:s3cret@127.0.0.1:notaport"]).expect_err("not an address");
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
}

#[tokio::test]
async fn the_same_node_twice() {
    let twice = [
        "redis://127.0.0.1:7001",
        "redis://127.0.0.1:7002",
        "redis://127.0.0.1:7001",
    ];
    let error = Redlock::connect_lazy(twice).expect_err("twice");
    assert_says(&error, ErrorKind::InvalidNodes, &["127.0.0.1:7001"]);
    // The same address in other words.
    let words = [
        "redis://LOCALHOST:6379",
        "redis://127.0.0.1:7002",
        "redis://localhost",
    ];
    let error = Redlock::connect_lazy(words).expect_err("twice");
    assert_says(&error, ErrorKind::InvalidNodes, &["localhost"]);
}

#[tokio::test]
async fn a_ttl_of_zero_or_above_the_maximum() {
    let redlock = memory_nodes();
    for ttl in [
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_millis(1),
    ] {
        let error = redlock.lock("k").ttl(ttl).await.expect_err("too short");
        assert_says(&error, ErrorKind::InvalidTtl, &[&format!("{ttl:?}")]);
    }
    for ttl in [
        Duration::from_secs(61),
        Duration::from_secs(u64::MAX),
        Duration::MAX,
    ] {
        let error = redlock
            .lock("k")
            .ttl(ttl)
            .await
            .expect_err("more than max_ttl");
        // The remedy is the option that allows more.
        assert_says(&error, ErrorKind::InvalidTtl, &["max_ttl"]);
    }
    let builder = Redlock::builder().nodes(memory::Nodes::new(3).nodes());
    let error = builder
        .clone()
        .ttl(Duration::ZERO)
        .connect_lazy()
        .expect_err("too short");
    assert_says(&error, ErrorKind::InvalidTtl, &["0ns"]);
    let error = builder
        .max_ttl(Duration::from_secs(5))
        .ttl(Duration::from_secs(6))
        .connect_lazy()
        .expect_err("too long");
    assert_says(&error, ErrorKind::InvalidTtl, &["6s", "5s"]);
}

#[tokio::test]
async fn invalid_keys() {
    let redlock = memory_nodes();
    assert_says(
        &redlock.lock("").await.expect_err("empty"),
        ErrorKind::InvalidKey,
        &["empty"],
    );
    assert_says(
        &redlock.try_lock("").await.expect_err("empty"),
        ErrorKind::InvalidKey,
        &["empty"],
    );
    assert_says(
        &redlock.is_locked("").await.expect_err("empty"),
        ErrorKind::InvalidKey,
        &["empty"],
    );
    // Braces that are no hash tag.
    for bad in ["order:{}", "{order}:{42}", "order:{", "order:}42{"] {
        assert_says(
            &redlock.lock(bad).await.expect_err("refused"),
            ErrorKind::InvalidKey,
            &[bad],
        );
    }
}

#[tokio::test]
async fn valid_keys() {
    let redlock = memory_nodes();
    for good in [
        "k",
        "{tag}:order",
        "order:42:fence",
        "{order}:waiters",
        "order:{tag}:42",
        "mit Leerzeichen",
        "schlüssel:\u{1F511}",
        "a\nb",
    ] {
        let guard = redlock.lock(good).no_wait().await.expect(good);
        assert_eq!(guard.key(), good);
        guard.release().await.expect(good);
    }
}

/// Any wait is fine: none at all, and one that never ends.
#[tokio::test]
async fn waits_without_limit() {
    let redlock = memory_nodes();
    for wait in [Duration::ZERO, Duration::MAX] {
        redlock
            .lock("k")
            .wait(wait)
            .await
            .expect("free")
            .release()
            .await
            .expect("released");
    }
}
