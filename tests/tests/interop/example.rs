//! The example `sharing`: services in Rust, Node and Python add to one number, and no addition is lost.

use std::{path::Path, process::Stdio};

use tests::{Cluster, within};
use tokio::process::{Child, Command};

use crate::{peer::Library, support::BOUND};

const TIMES: u32 = 8;

#[tokio::test]
async fn services_in_three_languages_share_a_lock() {
    let cluster = Cluster::start(3).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("number");
    std::fs::write(&file, "0").expect("a file");

    let mut rust = rust_service();
    rust.arg(&file).arg("--times").arg(TIMES.to_string());
    let mut services = vec![start(&mut rust, &cluster)];
    for (library, source) in [
        (Library::NodeRedlock, "counter.mjs"),
        (Library::Pottery, "counter.py"),
    ] {
        if let Some(mut interpreter) = library.interpreter() {
            let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/sharing");
            interpreter.arg(sources.join(source));
            interpreter.arg(&file).arg(TIMES.to_string());
            services.push(start(&mut interpreter, &cluster));
        }
    }
    let expected = TIMES * u32::try_from(services.len()).expect("a few");
    for mut service in services {
        let status = within(BOUND, service.wait()).await.expect("its status");
        assert!(status.success(), "{status}");
    }
    let number = std::fs::read_to_string(&file).expect("the number");
    assert_eq!(number, expected.to_string());
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named() {
    let cluster = Cluster::start(3).await;
    let folder = tempfile::tempdir().expect("a folder");
    let (missing, text) = (folder.path().join("missing"), folder.path().join("text"));
    std::fs::write(&text, "zero").expect("a file");
    for (file, why) in [
        (missing, "cannot be read"),
        (text, "does not contain a number"),
    ] {
        let mut rust = rust_service();
        rust.arg(&file).env("REDIS_URLS", cluster.urls().join(","));
        let ended = within(BOUND, rust.kill_on_drop(true).output()).await;
        let ended = ended.expect("its end");
        let error = String::from_utf8_lossy(&ended.stderr);
        let named = error.contains(&*file.to_string_lossy()) && error.contains(why);
        assert!(!ended.status.success() && named, "{error}");
    }
}

/// The service in Rust.
fn rust_service() -> Command {
    let args = ["--package", "examples", "--bin", "sharing"];
    let built = tests::built::build(&args, env!("CARGO_TARGET_TMPDIR"));
    let program = built.and_then(|mut built| built.remove("sharing"));
    Command::new(program.expect("the example is built"))
}

fn start(command: &mut Command, cluster: &Cluster) -> Child {
    command
        .env("REDIS_URLS", cluster.urls().join(","))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("a program that is installed")
}
