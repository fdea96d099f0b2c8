//! A process that uses a lock, ends its runtime and forks twice. Both children continue with the
//! same client and print the owners of their locks. They end with their standard input.

use std::io::Read as _;
use std::time::Duration;

use fork::Fork;
use redlock::Redlock;
use tokio::runtime::{Builder, Runtime};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [nodes, key] = args.as_slice() else {
        panic!("usage: forker NODES KEY");
    };
    let redlock = Redlock::connect_lazy(nodes.split(',')).expect("addresses");
    // The first use initializes all random number generators.
    runtime().block_on(async {
        let guard = redlock.lock(key).await.expect("free");
        guard.release().await.expect("released");
    });
    for _ in 0..2 {
        if let Fork::Child = fork::fork().expect("a child") {
            return child(&redlock, key);
        }
    }
    wait_for_the_end();
}

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

fn child(redlock: &Redlock, key: &str) {
    let runtime = runtime();
    let guards = runtime.block_on(async {
        let shared = redlock.try_lock(key).await.expect("a quorum");
        let own = redlock
            .lock(format!("{key}:{}", std::process::id()))
            .await
            .expect("free");
        let owner = shared.as_ref().map_or("none", |guard| guard.owner());
        println!("child {owner} {}", own.owner());
        (shared, own)
    });
    // Keeps the connections, and with them the subscription, served.
    runtime.block_on(async {
        let end = tokio::task::spawn_blocking(wait_for_the_end);
        let _ = tokio::time::timeout(Duration::from_secs(60), end).await;
        drop(guards);
    });
}

fn wait_for_the_end() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
