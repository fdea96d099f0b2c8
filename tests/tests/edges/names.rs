//! Names that cannot be used: the error says why.

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
