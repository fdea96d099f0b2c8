//! The shop as a process, which never outlives its test.

use std::process::Stdio;

use tests::within;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::BOUND;

/// A process that is killed when this is dropped.
pub(crate) struct Process {
    _child: Child,
}

impl Process {
    /// The shop on these nodes, and its address.
    pub(crate) async fn shop(urls: &str) -> (Self, String) {
        let built = tests::built::build(
            &["--package", "examples", "--bin", "observability"],
            env!("CARGO_TARGET_TMPDIR"),
        );
        let built = built.expect("the example builds");
        let mut child = Command::new(&built["observability"])
            .env("REDIS_URLS", urls)
            .env("PORT", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the shop starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let address = within(BOUND, async {
            while let Some(line) = lines.next_line().await.expect("text") {
                if let Some((_, rest)) = line.split_once("open at http://") {
                    return rest.split(',').next().expect("an address").to_owned();
                }
            }
            panic!("the shop ended");
        });
        let address = address.await;
        // Later output must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        (Self { _child: child }, address)
    }
}
