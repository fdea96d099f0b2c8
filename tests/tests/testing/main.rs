//! What users write their tests with: assertions on nodes in memory, scripts of faults, and the exploration of seeds.

mod explore;
mod locks;
mod script;

use redlock::{Redlock, memory::Nodes};

async fn client(nodes: &Nodes) -> Redlock {
    Redlock::connect(nodes.nodes())
        .await
        .expect("all nodes answer")
}

/// What a panic says that is caught.
fn said(outcome: std::thread::Result<()>) -> String {
    let panic = outcome.expect_err("it panics");
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
        .expect("a text")
}
