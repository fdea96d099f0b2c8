//! The docs show the code that is compiled and tested here.

#[test]
fn the_docs_have_these_middlewares() {
    let docs = include_str!("../../../redlock-tower/docs/frameworks.md");
    for code in [
        include_str!("actix/middleware.rs"),
        include_str!("poem/middleware.rs"),
        include_str!("salvo/middleware.rs"),
    ] {
        assert!(
            docs.contains(code),
            "redlock-tower/docs/frameworks.md lacks:\n{code}"
        );
    }
}

#[test]
fn the_guide_has_these_schedulers() {
    let guide = include_str!("../../../docs/scheduled-jobs.md");
    for code in [
        include_str!("schedulers/tokio_cron.rs"),
        include_str!("schedulers/apalis_cron.rs"),
    ] {
        assert!(guide.contains(code), "docs/scheduled-jobs.md lacks:\n{code}");
    }
}
