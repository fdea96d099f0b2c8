//! A client that is closing, and guards that end in odd places.

use std::{cell::RefCell, thread};

use redlock::{Guard, Redlock, memory::Nodes};
use tests::World;

/// The last step of work that was in progress: its result is remembered.
#[tokio::test]
async fn a_holder_writes_its_register_while_the_client_closes() {
    let world = World::new().await;
    world.locks.trust_nodes().await.expect("three nodes");
    let guard = world.locks.lock("import").await.expect("free");
    assert_eq!(world.locks.close().await, 0);
    guard.write("page 1").await.expect("it holds the lock");
    let read = guard.read().await.expect("it holds the lock");
    assert_eq!(read.as_deref(), Some(&b"page 1"[..]));
    guard.extend().await.expect("it holds the lock");
    guard.release().await.expect("three nodes");
    let closed = world.locks.read("import").await.expect_err("closed");
    assert!(closed.is_closed(), "{closed}");
}

#[tokio::test]
async fn the_empty_value_is_a_value() {
    let world = World::new().await;
    world.locks.trust_nodes().await.expect("three nodes");
    let guard = world.locks.lock("import").await.expect("free");
    assert_eq!(guard.read().await.expect("three nodes"), None);
    guard.write("").await.expect("three nodes");
    assert_eq!(guard.read().await.expect("three nodes"), Some(Vec::new()));
    guard.write([0, 255, b'{']).await.expect("three nodes");
    let read = world.locks.read("import").await.expect("three nodes");
    assert_eq!(read.as_deref(), Some(&[0, 255, b'{'][..]));
}

thread_local! {
    static KEPT: RefCell<Option<Guard>> = const { RefCell::new(None) };
}

/// The destructor of a thread-local value runs when the runtime's own thread-local values may be gone.
#[test]
fn a_guard_in_a_thread_local_value_is_released_by_the_next_runtime() {
    let nodes = Nodes::new(3);
    let runtime = || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().expect("a runtime")
    };
    let redlock = Redlock::connect_lazy(nodes.nodes()).expect("three nodes");
    let of_thread = redlock.clone();
    let first = thread::spawn(move || {
        let guard = runtime().block_on(async { of_thread.lock("a").await });
        KEPT.with_borrow_mut(|kept| *kept = guard.ok());
    });
    first.join().expect("no panic in the destructor");
    let taken = runtime().block_on(async { redlock.lock("a").await });
    assert!(taken.is_ok(), "{taken:?}");
}
