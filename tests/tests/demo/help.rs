//! F61: `--help` of every example says what it does and which environment it reads, and ends.

use crate::program::Program;

#[tokio::test]
async fn f61_help_helps() {
    for name in [
        "attribute",
        "background",
        "election",
        "fencing",
        "grpc",
        "layer",
        "lost",
        "observability",
        "schedule",
        "shop",
        "tickets",
    ] {
        let ended = Program::start(name, &["--help"], &[]).ended().await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{name}");
        assert!(ended.stdout.contains("Usage: "), "{name}: {}", ended.stdout);
        let reads = ended.stdout.contains("REDIS_URLS");
        assert_eq!(reads, name != "lost", "{name}: {}", ended.stdout);
        assert_eq!(
            ended.stdout.contains("PORT"),
            ["observability", "shop"].contains(&name),
            "{name}"
        );
    }
}

#[tokio::test]
async fn f61_an_option_that_does_not_exist_starts_nothing() {
    for name in [
        "attribute",
        "background",
        "election",
        "fencing",
        "grpc",
        "layer",
        "lost",
        "schedule",
        "shop",
        "tickets",
    ] {
        let ended = Program::start(name, &["--port=1"], &[]).ended().await;
        assert_eq!(ended.code, Some(2), "{name}: {ended:?}");
        assert!(ended.stderr.contains("--port"), "{name}: {}", ended.stderr);
    }
}
