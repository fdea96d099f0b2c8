//! Wrong settings: one plain sentence with the remedy, exit code 1, no panic and no dump.

use std::net::TcpListener;

use crate::program::Program;

/// Starts the shop with these settings, which must not work, and checks that the sentence has `parts` in it.
async fn refused(env: &[(&str, &str)], parts: &[&str]) {
    let ended = Program::start("shop", &[], env).ended().await;
    assert_eq!(ended.code, Some(1), "{env:?}: {ended:?}");
    assert_eq!(ended.stdout, "", "{env:?}");
    let Some(sentence) = ended
        .stderr
        .strip_prefix("error: ")
        .filter(|text| text.lines().count() == 1)
    else {
        panic!("{env:?}: not one sentence: {}", ended.stderr)
    };
    for part in parts {
        assert!(
            sentence.contains(part),
            "{env:?}: no `{part}` in: {sentence}"
        );
    }
    for dump in ["panicked", "{ ", "Some(", "Err(", "RUST_BACKTRACE"] {
        assert!(
            !ended.stderr.contains(dump),
            "{env:?}: `{dump}` in: {}",
            ended.stderr
        );
    }
}

#[tokio::test]
async fn no_port() {
    for port in ["abc", "70000", "-1", "3000 3001"] {
        refused(
            &[("PORT", port)],
            &[&format!("PORT is `{port}`"), "PORT=3001"],
        )
        .await;
    }
}

#[tokio::test]
async fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("its address").port().to_string();
    refused(
        &[("PORT", &port)],
        &[&format!("port {port} "), "in use", "PORT=3001"],
    )
    .await;
}

#[tokio::test]
async fn unparsable_urls() {
    for urls in [
        "nonsense",
        "http://127.0.0.1:7001",
        "redis://127.0.0.1:notaport",
        "redis://",
    ] {
        refused(
            &[("PORT", "0"), ("REDIS_URLS", urls)],
            &["REDIS_URLS", "redis://127.0.0.1:7001"],
        )
        .await;
    }
    refused(
        &[("PORT", "0"), ("REDIS_URLS", " , ,")],
        &["REDIS_URLS names no node"],
    )
    .await;
}

#[tokio::test]
async fn the_same_node_twice() {
    let urls = "redis://127.0.0.1:7001,redis://127.0.0.1:7001,redis://127.0.0.1:7003";
    refused(
        &[("PORT", "0"), ("REDIS_URLS", urls)],
        &["REDIS_URLS", "127.0.0.1:7001"],
    )
    .await;
}

#[tokio::test]
async fn no_quorum() {
    // Ports that were free a moment ago: nobody listens there.
    let ports: Vec<u16> = (0..3)
        .map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"))
        .collect::<Vec<_>>()
        .iter()
        .map(|listener| listener.local_addr().expect("its address").port())
        .collect();
    let urls: Vec<String> = ports
        .iter()
        .map(|port| format!("redis://127.0.0.1:{port}"))
        .collect();
    let names: Vec<String> = ports
        .iter()
        .map(|port| format!("127.0.0.1:{port}"))
        .collect();
    let mut parts: Vec<&str> = names.iter().map(String::as_str).collect();
    parts.extend([
        "too few of the nodes in REDIS_URLS",
        "start or correct them",
    ]);
    refused(&[("PORT", "0"), ("REDIS_URLS", &urls.join(","))], &parts).await;
}

#[tokio::test]
async fn a_password_is_not_printed() {
    for url in [
        "redis://app:hunter2@127.0.0.1:1",
        "redis://app:hunter2@127.0.0.1:notaport",
        "http://app:hunter2@127.0.0.1:1",
    ] {
        let ended = Program::start("shop", &[], &[("PORT", "0"), ("REDIS_URLS", url)])
            .ended()
            .await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
}
