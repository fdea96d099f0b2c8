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

    let args = ["--package", "examples", "--bin", "sharing"];
    let built = tests::built::build(&args, env!("CARGO_TARGET_TMPDIR"));
    let program = built.and_then(|mut built| built.remove("sharing"));
    let mut rust = Command::new(program.expect("the example is built"));
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

fn start(command: &mut Command, cluster: &Cluster) -> Child {
    command
        .env("REDIS_URLS", cluster.urls().join(","))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("a program that is installed")
}
