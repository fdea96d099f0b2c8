//! Names that cannot be used: the error says why.

use std::time::Duration;

use redlock::{
    ErrorKind, Redlock,
    memory::{Node, Nodes},
};

fn refused(namespace: &str) -> String {
    let nodes = Nodes::new(3).nodes();
    let built = Redlock::builder().nodes(nodes).namespace(namespace);
    let error = built.connect_lazy().expect_err(namespace);
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    error.to_string()
}

#[tokio::test]
async fn a_namespace_that_cannot_be_used_is_told_why() {
    let long = refused(&"x".repeat(5_000));
    assert!(long.contains("at most 1024 bytes"), "{long}");
    assert!(long.len() < 300, "{long}");
    let braces = refused("a{b}{c}:");
    assert!(braces.contains("one hash tag"), "{braces}");
}

#[test]
fn an_error_about_a_label_does_not_repeat_all_of_it() {
    let labelled = |label: &str| {
        let built = Redlock::builder().nodes(Nodes::new(3).nodes()).label(label);
        let error = built.connect_lazy().expect_err("not a label");
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        error.to_string()
    };
    let long = labelled(&"\0x".repeat(250_000));
    assert!(long.len() < 500 && long.contains('…'), "{long}");
    let short = labelled("a b");
    assert!(short.contains("`a b`"), "{short}");
}

/// Also where an option is checked before the key.
#[tokio::test]
async fn an_error_about_a_long_key_does_not_repeat_all_of_it() {
    let redlock = Redlock::connect(Nodes::new(3).nodes()).await;
    let redlock = redlock.expect("three nodes");
    let long = "x".repeat(500_000);
    let errors = [
        redlock.semaphore(&long, 0).available().await.err(),
        redlock.semaphore(&long, 0).acquire().await.err(),
        redlock.lock(&long).ttl(Duration::ZERO).await.err(),
        redlock.lock(&long).newest_wins(true).no_wait().await.err(),
        redlock.lock(&long).await.err(),
    ];
    for error in errors {
        let error = error.expect("refused");
        let key = error.key().expect("the key").len();
        let (shown, debug) = (error.to_string().len(), format!("{error:?}").len());
        assert!(key < 100 && shown < 1_000 && debug < 1_000, "{error}");
    }
}

#[tokio::test]
async fn errors_have_no_runs_of_spaces() {
    let nodes = Nodes::new(3);
    nodes.nodes().iter().for_each(Node::restart_empty);
    let redlock = Redlock::connect(nodes.nodes()).await;
    let redlock = redlock.expect("three nodes");
    let error = redlock.read("invoice:42").await.expect_err("young nodes");
    assert!(error.is_forgotten(), "{error}");
    assert!(!error.to_string().contains("  "), "{error}");
}
